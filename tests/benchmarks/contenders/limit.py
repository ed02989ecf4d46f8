"""The limit: the records of a service, decoded beforehand, through its own transactions; neither broker nor decoding.

`python -m tests.benchmarks.contenders.limit SERVICE PLACE OF` reads a share of the topic's partitions to their ends
(`0 1` is all of them, `0 2` and `1 2` are a half each), decodes, says so, and waits for a line on its input. Then it
does nothing but `Intake` and what that calls, on batches as large as they may be, in as many lanes as a service has.
"""

import asyncio
import sys
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib import import_module

from aiokafka import AIOKafkaConsumer, TopicPartition

from services.operator.kafka_clients import reader
from services.operator.output import Failure
from services.runtime import positions
from services.runtime.database import Pool, connect_pool
from services.runtime.health import Pulse
from services.runtime.intake import Intake
from services.runtime.lanes import Lanes
from services.runtime.metrics import IntakeMetrics
from services.runtime.records import Item, Record, RecordBatch
from services.runtime.service import Service, Tools, collect_seldom, metrics_of
from services.runtime.settings import Settings, load_settings
from tests.benchmarks.contenders.process import run
from tests.benchmarks.draining import SETTLED, Drained, watch
from tests.benchmarks.lab import Database, Lab

_PREPARED = b"prepared\n"
Place = tuple[int, int]
"""Partition and offset."""


class Prepared(Intake):
    """The service's intake, which finds each record decoded already."""

    def prepare(self, records: Sequence[Record]) -> None:
        """Decode `records` now."""
        self._items: dict[Place, Item] = {(r.partition, r.offset): super(Prepared, self)._decode(r) for r in records}

    def _decode(self, record: Record) -> Item:
        return self._items[record.partition, record.offset]


@dataclass(frozen=True, slots=True)
class Side:
    """An intake, and its records in batches by partition."""

    intake: Prepared
    pool: Pool
    settings: Settings
    batches: dict[int, list[RecordBatch]]

    @property
    def records(self) -> int:
        """How many there are."""
        return sum(len(batch.records) for batches in self.batches.values() for batch in batches)

    async def drain(self) -> None:
        """Settle all of them."""

        async def work(batches: Sequence[RecordBatch]) -> None:
            if stopped := await self.intake.process(batches):
                raise Failure(f"partitions {sorted(stopped)} were stopped")

        async def feed(batches: Sequence[RecordBatch]) -> None:
            for batch in batches:
                await lanes.put(batch)

        lanes = Lanes(self.settings.lanes, self.settings.batch_records, work)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(lanes.run())
            await asyncio.gather(*map(feed, self.batches.values()))
            await lanes.drain(600)
            running.cancel()


async def prepare(service: str, settings: Settings, place: int = 0, of: int = 1) -> Side:
    """Read every `of`th partition of the topic of `service` to its end, from `place` on, and decode its records."""
    wired: Service = import_module(f"services.{service}.app").SERVICE
    metrics = metrics_of(wired, settings)
    pool = await connect_pool(settings, service)
    parts = await wired.build(Tools(settings, pool, metrics, Pulse(settings.watchdog_timeout)))
    if wired.topic is None or parts.handler is None or not isinstance(metrics, IntakeMetrics):
        raise Failure(f"{service} consumes no topic")
    name = wired.topic.full_name(settings.topic_prefix)
    records = [record for record in await read(settings, name) if record.partition % of == place]
    async with pool.acquire() as connection:
        claimed = await positions.claim(connection, service, name, {r.partition: 0 for r in records})
    metrics.claimed(claimed.values(), dict)
    intake = Prepared(wired.topic, parts.handler, pool, settings, metrics, service=service)
    intake.prepare(records)
    return Side(intake, pool, settings, _batches(records, settings.batch_records))


async def read(settings: Settings, topic: str) -> list[Record]:
    """All records of a topic, in order within each partition."""
    async with reader(settings) as client:
        ends = {tp: end for tp, end in (await client.ends([topic])).items() if end}
        consumer: AIOKafkaConsumer = client.consumer
        consumer.assign(list(ends))
        await consumer.seek_to_beginning(*ends)
        records: list[Record] = []
        behind: set[TopicPartition] = set(ends)
        while behind:
            for found in (await consumer.getmany(*behind, timeout_ms=1000)).values():
                records += found
            behind = {tp for tp in behind if await consumer.position(tp) < ends[tp]}
    return records


def _batches(records: Sequence[Record], size: int) -> dict[int, list[RecordBatch]]:
    by_partition: defaultdict[int, list[Record]] = defaultdict(list)
    for record in records:
        by_partition[record.partition].append(record)
    return {
        partition: [RecordBatch(partition, own[at : at + size], own[at].offset) for at in range(0, len(own), size)]
        for partition, own in by_partition.items()
    }


async def drain(lab: Lab, database: Database, services: Sequence[str], *, processes: int = 1) -> Drained:
    """Let the topics of these services go through their transactions, each in so many processes of its own."""
    async with AsyncExitStack() as stack:
        fleet = [
            await stack.enter_async_context(
                lab.process(database, sys.executable, "-m", __name__, service, str(place), str(processes))
            )
            for service in services
            for place in range(processes)
        ]

        def require_alive() -> None:
            if any(process.returncode for process in fleet):
                raise Failure(f"the limit of {', '.join(services)} ended by itself")

        for process in fleet:
            if await _output(process).readline() != _PREPARED:
                raise Failure(f"the limit of {', '.join(services)} could not be prepared")
        for process in fleet:
            _input(process).write(b"\n")
        records = sum(database.backlog.counts[service] for service in services)
        return await watch(database.connection, SETTLED, records, require_alive)


def _output(process: asyncio.subprocess.Process) -> asyncio.StreamReader:
    assert process.stdout is not None
    return process.stdout


def _input(process: asyncio.subprocess.Process) -> asyncio.StreamWriter:
    assert process.stdin is not None
    return process.stdin


async def main(service: str, place: str, of: str) -> None:
    """Prepare, say so, wait, and drain."""
    side = await prepare(service, load_settings(), int(place), int(of))
    collect_seldom()  # as a service does; and what was prepared is no garbage
    sys.stdout.buffer.write(_PREPARED)
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    await side.drain()


if __name__ == "__main__":
    run(main(*sys.argv[1:]))
