"""Intake on a database of a test's own, as a service's process has it, without Kafka; and what it has settled."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from contracts.envelope import Event
from contracts.topics import SPONSOR_ACTIVITY, Topic
from services.runtime import positions
from services.runtime.database import Connection, Pool, connect_pool
from services.runtime.effects import Effects
from services.runtime.intake import Handler, Intake
from services.runtime.metrics import IntakeMetrics
from services.runtime.records import RecordBatch
from services.runtime.settings import Settings
from services.sponsor_activity.app import SponsorActivity

PARTITIONS = 4

Outcomes = dict[int, tuple[int, int, int, int]]
"""By partition: the next offset, and how many records were applied, duplicates, dead-lettered."""


@dataclass(frozen=True, slots=True)
class Bench:
    """An intake with all that belongs to it."""

    intake: Intake
    pool: Pool
    metrics: IntakeMetrics

    async def process(self, *batches: RecordBatch) -> set[int]:
        """Settle the batches in one call, as a lane does."""
        return await self.intake.process(batches)

    def exposed(self) -> Outcomes:
        """What /metrics says of each partition that was touched."""
        found: dict[tuple[str, str], float] = {}
        for family in text_string_to_metric_families(generate_latest(self.metrics.registry).decode()):
            for sample in family.samples:
                if sample.name in ("eventos_records_consumed_total", "eventos_stored_offset"):
                    found[sample.labels["partition"], sample.labels.get("outcome", "next")] = sample.value
        names = "next", "applied", "duplicate", "dead_lettered"
        partitions = {partition for partition, _ in found if found[partition, "next"]}
        return {int(p): tuple(int(found[p, name]) for name in names) for p in partitions}  # type: ignore[misc]

    def count(self, name: str, **labels: str) -> float:
        """The value of one of the service's counters."""
        return self.metrics.registry.get_sample_value(name, {"service": self.metrics.service, **labels}) or 0.0


@asynccontextmanager
async def bench(
    database_url: str, handler: Handler, *, service: str = "sponsor_activity", topic: Topic = SPONSOR_ACTIVITY,
    consumer: str | None = None, **settings: Any,
) -> AsyncIterator[Bench]:  # fmt: skip
    """Give an intake of `service` whose positions begin at offset 0."""
    made = Settings(kafka_bootstrap_servers="unused:9092", database_url=SecretStr(database_url), **settings)
    name = topic.full_name(made.topic_prefix)
    pool = await connect_pool(made, service)
    try:
        metrics = IntakeMetrics(service, name)
        async with pool.acquire() as connection:
            found = await positions.claim(connection, consumer or service, name, dict.fromkeys(range(PARTITIONS), 0))
        metrics.claimed(found.values(), dict)
        yield Bench(Intake(topic, handler, pool, made, metrics, service=service, consumer=consumer), pool, metrics)
    finally:
        pool.terminate()


async def stored(connection: Connection, consumer: str = "sponsor_activity") -> Outcomes:
    """What the database says of each partition that was touched."""
    rows = await connection.fetch(
        "SELECT partition, next_offset, applied, duplicate, dead_lettered FROM stream_offsets"
        " WHERE service = $1 AND next_offset > 0",
        consumer,
    )
    return {row[0]: (row[1], row[2], row[3], row[4]) for row in rows}


class Choking(SponsorActivity):
    """The real handler with a bug: it chokes on notes that carry `bug`, and keeps what it was given."""

    def __init__(self) -> None:
        self.seen: list[list[str]] = []

    async def apply(self, connection: Connection, events: Sequence[Event[Any]], shard: int) -> Effects:
        """Fail after writing, when any of `events` has the bug."""
        self.seen.append([event.id for event in events])
        effects = await super().apply(connection, events, shard)
        if any((event.data.metadata or {}).get("bug") for event in events):
            raise ZeroDivisionError
        return effects


class Held:
    """A real handler, holding its first transaction open, everything written, until it may go on."""

    def __init__(self, handler: Handler | None = None) -> None:
        self._handler = handler or SponsorActivity()
        self.references, self.prepare = self._handler.references, self._handler.prepare
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    async def apply(self, connection: Connection, events: Sequence[Event[Any]], shard: int) -> Effects:
        """Apply, tell, and wait."""
        effects = await self._handler.apply(connection, events, shard)
        self.reached.set()
        await self.go.wait()
        return effects
