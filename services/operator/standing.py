"""How things stand: positions against log ends, and what waits in the database. One look, of one moment."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from aiokafka import TopicPartition

from contracts.topics import TOPICS
from services.operator.kafka_clients import Reader
from services.operator.processes import INTAKE_SERVICES
from services.runtime.database import Pool
from services.runtime.settings import Settings
from services.runtime.sql import load_queries

QUERIES = load_queries(__package__)

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

    @property
    def lag(self) -> int:
        """Offsets still to be consumed."""
        return max(0, self.log_end - self.stored_offset)


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


async def unread_since(
    reader: Reader, partitions: Mapping[TopicPartition, int], *, wait: float = 2.0
) -> dict[TopicPartition, datetime]:
    """When the first unread record of each partition was appended, given the stored offsets.

    A partition is absent where nothing but control records is left, or where Kafka did not answer within `wait`
    seconds. The reader's assignment is replaced.
    """
    found: dict[TopicPartition, datetime] = {}
    consumer = reader.consumer
    consumer.assign(list(partitions))
    for tp, offset in partitions.items():
        consumer.seek(tp, offset)
    deadline = asyncio.get_running_loop().time() + wait
    while open_ := [tp for tp in partitions if tp not in found]:
        left = deadline - asyncio.get_running_loop().time()
        if left <= 0:
            break
        for tp, records in (await consumer.getmany(*open_, timeout_ms=int(left * 1000), max_records=1)).items():
            found[tp] = datetime.fromtimestamp(records[0].timestamp / 1000).astimezone()
    return found
