"""The usual way, to compare with: a Faust agent that takes one event after the other, each in a transaction.

It has the effects of the service whose name it gets (ledger, facts, contributions, marks), written by the same SQL;
the position is Kafka's. Run as `python -m tests.benchmarks.contenders.plain_faust SERVICE` with the services' settings.
"""

import asyncio
import sys
import tempfile
from importlib import import_module
from typing import Any, LiteralString
from uuid import uuid4

import faust
from aiokafka import ConsumerRecord

from contracts.envelope import Event, decode
from services.operator.output import Failure
from services.runtime import ledger
from services.runtime.contributions import write_effects
from services.runtime.database import connect_pool
from services.runtime.health import Pulse
from services.runtime.intake import latest_acceptable_time
from services.runtime.metrics import ServiceMetrics
from services.runtime.records import Item
from services.runtime.service import Service, Tools
from services.runtime.settings import load_settings
from tests.benchmarks.draining import Drained, watch
from tests.benchmarks.lab import Database, Lab

_SETTLED: LiteralString = "SELECT count(*) FROM processed_events"


async def drain(lab: Lab, database: Database, service: str) -> Drained:
    """Let it settle `slow_records` records of the topic, one after the other."""
    async with lab.process(database, sys.executable, "-m", __name__, service) as process:

        def require_alive() -> None:
            if process.returncode is not None:
                raise Failure(f"the plain agent of {service} ended by itself, exit code {process.returncode}")

        return await watch(database.connection, _SETTLED, lab.scale.slow_records, require_alive)


async def main(name: str) -> None:
    """Consume the topic of the service `name` until killed."""
    settings = load_settings()
    service: Service = import_module(f"services.{name}.app").SERVICE
    pool = await connect_pool(settings, name)
    parts = await service.build(Tools(settings, pool, ServiceMetrics(name), Pulse(60)))
    handler, topic = parts.handler, service.topic
    if handler is None or topic is None:
        raise SystemExit(f"{name} consumes no topic")
    app = faust.App(
        f"plain-{name}-{uuid4()}",  # a group of its own: a run that was killed is still a member of its group
        broker=f"kafka://{settings.kafka_bootstrap_servers}",
        store="memory://",
        datadir=tempfile.gettempdir(),
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        consumer_auto_offset_reset="earliest",
    )
    source = app.topic(topic.full_name(settings.topic_prefix), key_type=bytes, value_type=bytes, value_serializer="raw")

    @app.agent(source)
    async def one_by_one(stream: faust.StreamT[Any]) -> None:
        async for event in stream.events():
            message = event.message
            stamp = round(message.timestamp * 1000)
            record: Any = ConsumerRecord(
                message.topic, message.partition, message.offset, stamp, 0, message.key, message.value, None, 0, 0, ()
            )
            decoded = decode(topic, record.value, record.headers, latest_acceptable_time(record, settings.as_of))
            await handler.prepare(pool, [decoded] if isinstance(decoded, Event) else [])
            async with pool.acquire() as connection, connection.transaction():
                [verdict] = await ledger.judge(connection, name, [Item(record, decoded)], handler.references)
                if isinstance(verdict, Event):
                    effects = await handler.apply(connection, [verdict], message.partition)
                    await write_effects(connection, name, effects, message.partition)

    await app.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
