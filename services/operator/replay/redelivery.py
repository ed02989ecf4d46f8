"""Redelivery: a service's topic read again, through the service's own intake, with positions of the run's own.

Whatever was applied before is a duplicate now, and whatever was missed is applied: the ledger decides, as it does
for live records. So a redelivery proves that nothing is missing, or heals it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Any
from uuid import UUID, uuid4

from aiokafka import TopicPartition

from services.operator.kafka_clients import Reader
from services.operator.output import Failure
from services.operator.standing import INTAKE_TOPICS
from services.operator.surroundings import database
from services.runtime import positions
from services.runtime.database import Pool, connect_pool
from services.runtime.health import Pulse
from services.runtime.intake import Intake
from services.runtime.metrics import IntakeMetrics
from services.runtime.records import RecordBatch
from services.runtime.service import Service, Tools
from services.runtime.settings import Settings
from services.runtime.sql import load_queries

QUERIES = load_queries(__package__)

Starts = Mapping[TopicPartition, int]
Progress = Callable[[int, int], None]
"""Told how many offsets are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A redelivery that is done. Digests are of the tables that the service writes, save the positions."""

    run: UUID
    digest_before: str
    digest_after: str
    counts: Mapping[str, int]
    live_moved: bool

    @property
    def unchanged(self) -> bool:
        """Whether the tables are as they were."""
        return self.digest_before == self.digest_after

    @property
    def applied(self) -> int:
        """How many events had been missing."""
        return self.counts.get("applied", 0)

    @property
    def refused(self) -> int:
        """How many records have a dead letter, which may be new: letters are removed when their time is over."""
        return self.counts.get("dead_lettered", 0)


async def starts_from(
    reader: Reader, topic: str, *, offsets: Mapping[int, int] | None = None, since: datetime | None = None
) -> dict[TopicPartition, int]:
    """Where to begin: at given offsets of given partitions, at a time, or at the beginning of what Kafka has.

    An offset that Kafka no longer has becomes the first that it has. Raises Failure for a partition that there is not.
    """
    ends = await reader.ends([topic])
    first = await reader.starts(ends.keys())
    if offsets is not None:
        wanted = {TopicPartition(topic, partition): offset for partition, offset in offsets.items()}
        if unknown := wanted.keys() - ends.keys():
            raise Failure(f"{topic} has no partition {min(unknown).partition}", f"It has {len(ends)}, from 0 on.")
        return {tp: min(max(offset, first[tp]), ends[tp]) for tp, offset in wanted.items()}
    if since is not None:
        moment = int(since.timestamp() * 1000)
        found = await reader.consumer.offsets_for_times(dict.fromkeys(ends, moment))
        return {tp: found[tp].offset if found.get(tp) else end for tp, end in ends.items()}
    return first


async def redeliver(
    settings: Settings, service: str, reader: Reader, starts: Starts, parameters: Mapping[str, Any], told: Progress
) -> Outcome:
    """Read from `starts` to the present ends, and settle every record again. Leaves a row in replay_runs.

    Raises Failure when a partition of the run was stopped, and what the intake raises.
    """
    run, consumed = uuid4(), INTAKE_TOPICS[service]
    topic = consumed.full_name(settings.topic_prefix)
    async with database(settings) as books:
        await books.execute(QUERIES["begin_run"], run, service, consumed.name, parameters)
        before, live_before = await _digest(books, service), await books.fetch(QUERIES["live_positions"], service)
        status, after, counts = "failed", None, dict[str, int]()
        try:
            pool = await connect_pool(settings, service, size=2)
            try:
                await _settle_again(settings, service, f"replay:{run}", pool, reader, starts, told)
            finally:
                await pool.close()
            after = await _digest(books, service)
            status = "done"
        except BaseException as error:
            status = "failed" if isinstance(error, Exception) else "cancelled"
            raise
        finally:
            row = await books.fetchrow(QUERIES["run_counts"], f"replay:{run}", topic)
            counts = dict(row) if row else {}
            await books.execute(QUERIES["end_run"], run, status, before, after, counts)
        live_after = await books.fetch(QUERIES["live_positions"], service)
    return Outcome(run, before, after, counts, live_moved=live_before != live_after)


async def _settle_again(
    settings: Settings, service: str, consumer: str, pool: Pool, reader: Reader, starts: Starts, told: Progress
) -> None:
    topic = INTAKE_TOPICS[service].full_name(settings.topic_prefix)
    intake = await _intake(settings, service, consumer, pool)
    all_ends = await reader.ends([topic])
    ends = {tp: all_ends[tp] for tp, start in starts.items() if start < all_ends[tp]}
    if not ends:
        return
    at = {tp: starts[tp] for tp in ends}
    async with pool.acquire() as connection:
        await positions.claim(connection, consumer, topic, {tp.partition: offset for tp, offset in at.items()})
    reader.consumer.assign(list(ends))
    for tp, offset in at.items():
        reader.consumer.seek(tp, offset)
    total = sum(ends[tp] - starts[tp] for tp in ends)
    while open_ := [tp for tp in ends if await reader.consumer.position(tp) < ends[tp]]:
        polled = await reader.consumer.getmany(*open_, timeout_ms=1000, max_records=settings.batch_records)
        batches = []
        for tp, records in polled.items():
            wanted = [record for record in records if record.offset < ends[tp]]
            if wanted:
                batches.append(RecordBatch(tp.partition, wanted, at[tp]))
                at[tp] = wanted[-1].offset + 1
        if batches and (stopped := await intake.process(batches)):
            raise Failure(f"the run was stopped at partition {min(stopped)}", "See the service's log for the reason.")
        told(sum(at[tp] - starts[tp] for tp in ends), total)


async def _intake(settings: Settings, service: str, consumer: str, pool: Pool) -> Intake:
    """The service's own intake, moving the positions of `consumer`."""
    wired: Service = import_module(f"services.{service}.app").SERVICE
    topic = INTAKE_TOPICS[service]
    metrics = IntakeMetrics(service, topic.full_name(settings.topic_prefix))
    parts = await wired.build(Tools(settings, pool, metrics, Pulse(settings.watchdog_timeout)))
    if parts.handler is None:
        raise TypeError(f"{service} consumes {topic.name} but brings no handler")
    return Intake(topic, parts.handler, pool, settings, metrics, service=service, consumer=consumer)


async def _digest(pool: Pool, service: str) -> str:
    """A short text that is equal for equal contents of the tables that the service writes."""
    digest: str = await pool.fetchval(QUERIES[f"digest_{service}"])
    return digest
