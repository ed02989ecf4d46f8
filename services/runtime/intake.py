"""Intake: Kafka → facts. One transaction turns a batch of records into effects and moves the position past them.

    fence → decode has been done → drop what is already past → dedupe by ledger → facts and unit state (the service)
          → contributions → stale marks → outbox → dead letters → next position with its outcome counts → commit

Each record ends as exactly one of applied, duplicate and dead-lettered. A batch that fails is tried again, split, or
halved until the record at fault is found, as `database.classify` says; nothing is ever skipped.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache, partial
from typing import Any, Protocol, TypeVar

import structlog

from contracts.envelope import Event, Refused, decode
from contracts.refusals import Reason
from contracts.topics import Topic
from services.runtime import dead_letters, ledger, positions
from services.runtime.contributions import write_effects
from services.runtime.database import Connection, Fault, Pool, acquire, classify, patiently, transaction
from services.runtime.effects import Effects
from services.runtime.ledger import Verdict
from services.runtime.metrics import IntakeMetrics
from services.runtime.positions import Position, Tally
from services.runtime.records import Item, Record, RecordBatch, moment
from services.runtime.settings import Settings
from services.runtime.wake import wake

log = structlog.get_logger(__name__)

T = TypeVar("T")
CLOCK_TOLERANCE = timedelta(minutes=5)
DECODED_AT_ONCE = 100
"""Records that are decoded ahead, a millisecond's worth, before what Postgres has answered meanwhile is looked at."""
RECHECKS = 5
"""How often a batch may find a row deleted that it had just looked up, before its handler is to blame."""


class Handler(Protocol):
    """What a service brings: its facts and its unit state."""

    def references(self, event: Event[Any]) -> tuple[str | None, str | None]:
        """The sponsor and the event that must exist for `event` to have effects; None where it names none."""
        ...

    async def prepare(self, pool: Pool, events: Sequence[Event[Any]]) -> None:
        """Make ready, before the transaction and outside it, what storing `events` will need. May be repeated."""
        ...

    async def apply(self, connection: Connection, events: Sequence[Event[Any]], shard: int) -> Effects:
        """Store the facts of `events` inside the batch's transaction, fold unit state, and return what follows.

        All events are new and what they refer to exists; they come in order of partition and offset. After a
        rollback the same events may come again. Rows are locked in key order. Must not commit, nor call out.
        """
        ...


class SkippedRecordsError(Exception):
    """A batch came although its predecessor was never applied. Nothing was written; the position must be re-read."""


class Intake:
    """Applies batches of one topic for one service; safe against any other process doing the same.

    `consumer` names the positions that move: the service's own, or those of a replay run.
    """

    def __init__(
        self, topic: Topic, handler: Handler, pool: Pool, settings: Settings, metrics: IntakeMetrics, *, service: str,
        consumer: str | None = None,
    ) -> None:  # fmt: skip
        self._topic, self._handler, self._pool, self._metrics = topic, handler, pool, metrics
        self._service, self._consumer = service, consumer or service
        self._topic_name = topic.full_name(settings.topic_prefix)
        self._settings = settings
        self._errors_in_row: Counter[int] = Counter()

    async def process(self, batches: Iterable[RecordBatch]) -> set[int]:
        """Settle every record of `batches`; return the partitions that are stopped and must be paused.

        Waits out transient faults for as long as they last. Raises SkippedRecordsError, and whatever is nobody's
        fault but ours (`Fault.STOP`); then nothing of the failing part was written.
        """
        items: list[Item] = []
        follows: dict[int, int] = {}
        ends: dict[int, int] = {}
        for batch in sorted(batches, key=lambda batch: (batch.partition, batch.follows)):
            follows.setdefault(batch.partition, batch.follows)
            end = ends.setdefault(batch.partition, batch.follows)
            if batch.follows > end:
                raise SkippedRecordsError(self._skipped(batch.partition, batch.follows, end))
            # What was read again after a seek overlaps with what waited: each record counts once.
            decoded = batch.items or map(self._decode, batch.records)
            items += [item for item in decoded if item.record.offset >= end]
            if batch.records:
                ends[batch.partition] = max(end, batch.records[-1].offset + 1)
        return await self._settle(items, follows)

    async def decode(self, batch: RecordBatch) -> RecordBatch:
        """Decode ahead, while transactions wait for Postgres: `process` does it where that was not done.

        In pieces: what Postgres has answered meanwhile goes first.
        """
        items: list[Item] = []
        for begin in range(0, len(batch.records), DECODED_AT_ONCE):
            if begin:
                await asyncio.sleep(0)
            items += map(self._decode, batch.records[begin : begin + DECODED_AT_ONCE])
        return replace(batch, items=items)

    def _decode(self, record: Record) -> Item:
        latest = latest_acceptable_time(record.timestamp, self._settings.as_of)
        return Item(record, decode(self._topic, record.value, record.headers, latest))

    async def _settle(self, items: Sequence[Item], follows: Mapping[int, int]) -> set[int]:
        """Commit `items`; where that cannot be, what a limit leaves of them and the rest, or their halves."""
        try:
            return await self._commit_patiently(items, follows)
        except LimitReached as limit:
            return await self._settle_in_turn(limit.kept, limit.rest, follows)
        except Exception as error:
            if classify(error) is Fault.STOP or isinstance(error, SkippedRecordsError):
                raise
            if len(items) == 1:
                return await self._blame(items[0], error, follows)
            log.warning("batch_halved", service=self._service, records=len(items), error=type(error).__name__)
        middle = len(items) // 2
        return await self._settle_in_turn(items[:middle], items[middle:], follows)

    async def _settle_in_turn(
        self, first: Sequence[Item], rest: Sequence[Item], follows: Mapping[int, int]
    ) -> set[int]:
        """Settle `first`, then what is in `rest` of partitions that are not stopped: each a prefix of what is left."""
        stopped = await self._settle(first, follows)
        running = [item for item in rest if item.record.partition not in stopped]
        if not running:
            return stopped
        ends = {item.record.partition: item.record.offset + 1 for item in first}
        return stopped | await self._settle(running, {**follows, **ends})

    async def _blame(self, item: Item, error: Exception, follows: Mapping[int, int]) -> set[int]:
        """Dead-letter the one record that its handler chokes on; stop the partition when it chokes on every one."""
        partition, offset = item.record.partition, item.record.offset
        log.error("handler_error", service=self._service, partition=partition, offset=offset, exc_info=error)
        if self._errors_in_row[partition] >= self._settings.handler_errors_in_row_limit:
            reason = f"handler_error on {self._errors_in_row[partition]} records in a row ({type(error).__name__})"
            await self._patiently(partial(self._stop, partition, reason))
            del self._errors_in_row[partition]  # whoever resumes it has mended something
            return {partition}
        self._errors_in_row[partition] += 1
        known = item.decoded
        detail = f"{self._service} failed on this record ({type(error).__name__}); requeue it once that is mended"
        refused = Refused(Reason.HANDLER_ERROR, detail, known.source, known.id, known.type)
        return await self._settle([Item(item.record, refused)], follows)

    async def _stop(self, partition: int, reason: str) -> None:
        async with acquire(self._pool) as connection:
            await positions.stop(connection, self._consumer, self._topic_name, partition, reason)

    async def _commit_patiently(self, items: Sequence[Item], follows: Mapping[int, int]) -> set[int]:
        """Commit `items`, looking again when a row that they refer to vanished."""
        rechecks = 0
        while True:
            try:
                return await self._patiently(partial(self._commit, items, follows), alone=len(items) == 1)
            except Exception as error:
                rechecks += 1
                if classify(error) is not Fault.RECHECK or rechecks > RECHECKS:
                    raise

    async def _patiently(self, attempt: Callable[[], Awaitable[T]], *, alone: bool = True) -> T:
        """Repeat `attempt` for as long as the database is away; what cannot be split further waits too."""

        def passing(error: BaseException) -> bool:
            fault = classify(error)
            self._metrics.retried(fault, error)
            return fault is Fault.TRANSIENT or (fault is Fault.SPLIT and alone)

        return await patiently(passing)(attempt)

    async def _commit(self, items: Sequence[Item], follows: Mapping[int, int]) -> set[int]:
        """One transaction, from fence to position. Returns the partitions that are stopped."""
        await self._handler.prepare(self._pool, [i.decoded for i in items if isinstance(i.decoded, Event)])
        async with self._metrics.batch(len(items)), acquire(self._pool) as connection:
            async with transaction(connection):
                fence = await positions.fence(connection, self._consumer, self._topic_name, follows)
                self._metrics.observe(fence.values())
                fresh = self._beyond(fence, items, follows)
                if not fresh:
                    return _stopped(fence.values())
                judgement = await ledger.judge(connection, self._service, fresh, self._handler.references)
                verdicts = judgement.verdicts
                tallies = self._tally(fence, fresh, verdicts)
                applied = [verdict for verdict in verdicts if isinstance(verdict, Event)]
                shard = min(tally.partition for tally in tallies)
                effects = await self._handler.apply(connection, applied, shard) if applied else Effects()
                marked = await write_effects(connection, self._service, effects, shard)
                letters = await dead_letters.write(
                    connection, self._service, self._topic, fresh, judgement, self._handler.references
                )
                settled = await positions.advance(
                    connection, self._consumer, self._topic_name, tallies, self._settings.refused_in_row_limit
                )
            self._metrics.settled(settled, fresh, [v.reason for v in verdicts if isinstance(v, Refused)])
            await wake(connection, marked, outbox=letters > 0 or bool(effects.derived))
        for tally in tallies:
            if tally.applied:
                self._errors_in_row.pop(tally.partition, None)
        return _stopped([*fence.values(), *settled])

    def _beyond(self, fence: Mapping[int, Position], items: Sequence[Item], follows: Mapping[int, int]) -> list[Item]:
        """Drop what is already past; refuse what does not follow. A fenced batch is a late one, or a second look."""
        for partition, offset in follows.items():
            stored = fence.get(partition)
            # Of a stopped partition nothing is settled, so that nothing of it can be skipped.
            if stored is None or (stored.next_offset < offset and not stored.stopped_reason):
                raise SkippedRecordsError(self._skipped(partition, offset, stored.next_offset if stored else "absent"))
        if all(fence[p].next_offset == follows[p] and not fence[p].stopped_reason for p in follows):
            return list(items)
        running = {partition: p.next_offset for partition, p in fence.items() if not p.stopped_reason}
        fresh = [i for i in items if i.record.offset >= running.get(i.record.partition, i.record.offset + 1)]
        if any(i.record.offset < fence[i.record.partition].next_offset for i in items):
            self._metrics.fenced()
        return fresh

    def _skipped(self, partition: int, follows: int, position: int | str) -> str:
        return f"{self._topic_name}-{partition}: a batch follows offset {follows}, but the position is {position}"

    def _tally(self, fence: Mapping[int, Position], fresh: Sequence[Item], verdicts: Sequence[Verdict]) -> list[Tally]:
        """Count outcomes; end the batch at the record that reaches the limit of refusals in a row, not one later."""
        tallies = positions.tally(fence, fresh, verdicts, self._settings.refused_in_row_limit)
        if over := {tally.partition: tally.limit_at for tally in tallies if tally.limit_at is not None}:
            kept: list[Item] = []
            rest: list[Item] = []
            for item in fresh:
                within = item.record.offset <= over.get(item.record.partition, item.record.offset)
                (kept if within else rest).append(item)
            if rest:
                raise LimitReached(kept, rest)
        return tallies


def _stopped(found: Iterable[Position]) -> set[int]:
    return {position.partition for position in found if position.stopped_reason}


class LimitReached(Exception):
    """The batch must end earlier: only `kept` may be settled, and `rest` as far as its partitions go on behind it."""

    def __init__(self, kept: Sequence[Item], rest: Sequence[Item]) -> None:
        super().__init__(kept, rest)
        self.kept, self.rest = kept, rest


@lru_cache(maxsize=1024)  # what was appended together has one time
def latest_acceptable_time(appended_ms: int, as_of: date | None) -> datetime:
    """The latest `time` that an event may carry: five minutes after the broker appended its record.

    With a fixed `as_of`, five minutes after the end of that UTC day, so that a file of events is judged alike at
    any time of day.
    """
    if as_of is not None:
        return datetime.combine(as_of, time.min, UTC) + timedelta(days=1) + CLOCK_TOLERANCE
    return moment(appended_ms) + CLOCK_TOLERANCE
