"""How things stand: positions against log ends, and what waits in the database. One look, of one moment."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from aiokafka import TopicPartition

from contracts.topics import TOPICS
from services.operator.kafka_clients import Reader
from services.operator.processes import INTAKE_SERVICES
from services.runtime.database import Pool
from services.runtime.settings import Settings
from services.runtime.sql import load_queries

QUERIES = load_queries(__package__)

_FEW_RECORDS = 16
"""A lag up to this may be nothing but control records; it is looked at."""

INTAKE_TOPICS = {service: TOPICS[service.replace("_", "-")] for service in INTAKE_SERVICES}


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition of an input topic: what its service has stored, and what Kafka has. Offsets are the next ones."""

    service: str
    topic: str
    partition: int
    stored_offset: int
    log_end: int
    applied: int
    duplicate: int
    dead_lettered: int
    refused_in_row: int
    stopped_reason: str | None
    stopped_at: datetime | None
    updated_at: datetime | None
    only_control: bool = False

    @property
    def lag(self) -> int:
        """Offsets still to be consumed; 0 where only control records are left, which no consumer ever sees."""
        return 0 if self.only_control else max(0, self.log_end - self.stored_offset)

    @property
    def place(self) -> TopicPartition:
        """The partition as Kafka clients name it."""
        return TopicPartition(self.topic, self.partition)


@dataclass(frozen=True, slots=True)
class Standing:
    """All partitions, and how much waits; `marks` by projection. Ages are in seconds, None where nothing waits."""

    partitions: tuple[Partition, ...]
    outbox_pending: int
    outbox_age: float | None
    marks: Mapping[str, int]
    marks_age: float | None
    parked_keys: int
    dead_letters_pending: int
    as_of: date | None

    @property
    def lag(self) -> int:
        """Offsets still to be consumed, over all partitions."""
        return sum(partition.lag for partition in self.partitions)

    @property
    def marks_pending(self) -> int:
        """Stale marks, over all projections."""
        return sum(self.marks.values())

    @property
    def idle(self) -> bool:
        """Whether nothing is left to do: all consumed, all projected, all told."""
        return not (self.lag or self.marks_pending or self.outbox_pending)

    def totals(self, service: str) -> tuple[int, int, int]:
        """Applied, duplicate and dead-lettered records of a service."""
        own = [p for p in self.partitions if p.service == service]
        return sum(p.applied for p in own), sum(p.duplicate for p in own), sum(p.dead_lettered for p in own)


async def look(settings: Settings, pool: Pool, reader: Reader) -> Standing:
    """Take a look: log ends first, then the database in one snapshot, so that idle is never seen too early."""
    names = {topic.full_name(settings.topic_prefix): service for service, topic in INTAKE_TOPICS.items()}
    ends = await reader.ends(list(names))
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        stored = {(r["topic"], r["partition"]): r for r in await connection.fetch(QUERIES["positions"])}
        pending = await connection.fetchrow(QUERIES["pending"])
    missing = [tp for tp in ends if tuple(tp) not in stored]
    starts = await reader.starts(missing)
    partitions = []
    for tp, end in sorted(ends.items()):
        row = stored.get(tuple(tp)) or {"next_offset": starts[tp]}
        partitions.append(_partition(names[tp.topic], tp, end, row))
    few = [partition for partition in partitions if 0 < partition.lag <= _FEW_RECORDS]
    unread = await first_unread(reader, few, wait=1.0)
    nothing = {place for place, appended in unread.items() if appended is None}
    partitions = [replace(partition, only_control=partition.place in nothing) for partition in partitions]
    return Standing(partitions=tuple(partitions), **dict(pending or {}))


def _partition(service: str, tp: TopicPartition, end: int, row: Mapping[str, Any]) -> Partition:
    return Partition(
        service=service,
        topic=tp.topic,
        partition=tp.partition,
        stored_offset=row["next_offset"],
        log_end=end,
        applied=row.get("applied", 0),
        duplicate=row.get("duplicate", 0),
        dead_lettered=row.get("dead_lettered", 0),
        refused_in_row=row.get("refused_in_row", 0),
        stopped_reason=row.get("stopped_reason"),
        stopped_at=row.get("stopped_at"),
        updated_at=row.get("updated_at"),
    )


async def first_unread(
    reader: Reader, partitions: Collection[Partition], *, wait: float
) -> dict[TopicPartition, datetime | None]:
    """When the first record that was not consumed was appended, for partitions that are behind.

    None where nothing but control records is left: the marks of transactions. A partition that Kafka did not tell of
    within `wait` seconds is absent. Replaces the reader's assignment.
    """
    found: dict[TopicPartition, datetime | None] = {}
    open_, consumer = {partition.place: partition for partition in partitions}, reader.consumer
    if not open_:
        return found
    consumer.assign(list(open_))
    for place, partition in open_.items():
        consumer.seek(place, partition.stored_offset)
    deadline = asyncio.get_running_loop().time() + wait
    while open_ and asyncio.get_running_loop().time() < deadline:
        for place, records in (await consumer.getmany(*open_, timeout_ms=50, max_records=1)).items():
            found[place] = datetime.fromtimestamp(records[0].timestamp / 1000, UTC)
        for place, partition in open_.items():
            if place not in found and await consumer.position(place) >= partition.log_end:
                found[place] = None
        open_ = {place: partition for place, partition in open_.items() if place not in found}
    return found
