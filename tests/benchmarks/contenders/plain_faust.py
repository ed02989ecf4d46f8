"""The usual way, to compare with: a Faust agent that takes one event after the other, each in a transaction.

It has the effects of the service whose name it gets (ledger, facts, contributions, marks), each row by a statement as
one writes it by hand; the position is Kafka's. Run as `python -m tests.benchmarks.contenders.plain_faust SERVICE` with
the services' settings.
"""

import asyncio
import sys
import tempfile
from importlib import import_module
from typing import Any, LiteralString
from uuid import uuid4

import faust

from contracts.envelope import Event, decode
from services.operator.output import Failure
from services.runtime.database import Connection, connect_pool
from services.runtime.effects import Mark
from services.runtime.health import Pulse
from services.runtime.intake import Handler, latest_acceptable_time
from services.runtime.metrics import ServiceMetrics
from services.runtime.service import Service, Tools
from services.runtime.settings import load_settings
from tests.benchmarks.contenders.process import run
from tests.benchmarks.draining import Drained, watch
from tests.benchmarks.lab import Database, Lab

_SETTLED: LiteralString = "SELECT count(*) FROM processed_events"
_REFERENCES = "SELECT count(*) FROM lock_references($1::uuid[], $2::uuid[])"
_CLAIM = """
    INSERT INTO processed_events (identity, service, source, id, content_hash, partition, record_offset)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (identity) DO NOTHING
 RETURNING record_offset
"""
_ADD_SIGNAL = """
    INSERT INTO lead_signals_{} AS stored (sponsor_id, event_id, signal, day, n)
    VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (sponsor_id, event_id, signal, day, service) DO UPDATE SET n = stored.n + excluded.n
"""
_ADD_COUNTER = """
    INSERT INTO event_counters_{} AS stored (shard, event_id, metric, label, n, first_at)
    VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (event_id, metric, label, shard, service)
        DO UPDATE SET n = stored.n + excluded.n, first_at = LEAST(stored.first_at, excluded.first_at)
"""
_ADD_MARK = """
    INSERT INTO stale_marks (projection, shard, kind, key, other) VALUES ($1, shard_of($3), $2, $3, $4)
"""
_TELL = """
    INSERT INTO outbox (source, aggregatetype, aggregateid, type, payload) VALUES ('/eventos/' || $1, $2, $3, $4, $5)
"""


async def drain(lab: Lab, database: Database, service: str) -> Drained:
    """Let it settle `slow_records` records of the topic, one after the other."""
    async with lab.process(database, sys.executable, "-m", __name__, service) as process:

        def require_alive() -> None:
            if process.returncode is not None:
                raise Failure(f"the plain agent of {service} ended by itself, exit code {process.returncode}")

        return await watch(database.connection, _SETTLED, lab.scale.slow_records, require_alive)


async def apply(
    connection: Connection, service: str, handler: Handler, event: Event[Any], partition: int, offset: int
) -> None:
    """Write all effects of one event, unless it was applied before. Raises LookupError where it refers to nothing."""
    sponsor, about = handler.references(event)
    found = await connection.fetchval(_REFERENCES, [sponsor] if sponsor else [], [about] if about else [])
    if found < bool(sponsor) + bool(about):
        raise LookupError(f"{event.id} refers to a sponsor or an event without a row")
    claim = (event.identity, service, event.source, event.id, event.content_hash, partition, offset)
    if await connection.fetchval(_CLAIM, *claim) is None:
        return
    effects = await handler.apply(connection, [event], partition)
    for (sponsor_id, event_id, signal, day), n in effects.signals.items():
        await connection.execute(_ADD_SIGNAL.format(service), sponsor_id, event_id, signal, day, n)
        effects.marks.add(Mark("lead_scores", "pair", sponsor_id, event_id))
    for counter, n in effects.counters.items():
        await connection.execute(_ADD_COUNTER.format(service), partition, *counter, n, effects.first_at.get(counter))
        effects.marks.add(Mark("dashboards", "event", counter[0]))
    for mark in effects.marks:
        await connection.execute(_ADD_MARK, mark.projection, mark.kind, mark.key, mark.other)
    for told in effects.derived:
        await connection.execute(_TELL, service, told.topic, told.key, told.type, told.data)


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
            decoded = decode(topic, message.value, (), latest_acceptable_time(stamp, settings.as_of))
            if isinstance(decoded, Event):
                await handler.prepare(pool, [decoded])
                async with pool.acquire() as connection, connection.transaction():
                    await apply(connection, name, handler, decoded, message.partition, message.offset)

    await app.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    run(main(sys.argv[1]))
