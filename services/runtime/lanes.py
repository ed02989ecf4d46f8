"""Lanes: several transactions at once, each partition in order."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from services.runtime.records import RecordBatch

WORTH_A_CALL = 8
"""While a lane works, another begins when the records that wait are this part of a call's limit."""

MERGED_FOR = 0.25
"""Seconds that what trickles in waits at most, to be merged, for a call that is under way: that may wait itself, for a
lock on somebody's row."""

FETCHED_TOGETHER = 0.01
"""Seconds within which batches of one fetch come, one behind the other; a lane waits for all of them."""

LETTING_GO = 1.0
"""Seconds that what is given up is waited for: to be rolled back takes no longer, where the database answers."""

Work = Callable[[Sequence[RecordBatch]], Awaitable[None]]


class Lanes:
    """Gives what waits to `work`, in up to `count` calls at once, no partition to two of them.

    A lane that is free takes the oldest batches of partitions that no other has in hand, so that a busy partition
    leaves the others theirs; while one is at work, others join in when enough waits to be worth a call, or has waited
    for long. `limit` is the most records that one call gets, unless a single batch has more. When every lane has a
    call's worth waiting, `put` waits too: that is the back-pressure. Records are counted by what batches weigh.
    """

    def __init__(self, count: int, limit: int, work: Work) -> None:
        self._count, self._limit, self._work = count, limit, work
        self._enough = max(1, limit // WORTH_A_CALL)
        self._waiting: list[RecordBatch] = []
        self._to_come = 0
        self._in_hand: set[int] = set()
        self._calls: set[asyncio.Future[None]] = set()
        self._changed = asyncio.Condition()

    @property
    def busy(self) -> bool:
        """Whether there is work in hand or waiting."""
        return bool(self._waiting or self._in_hand)

    async def put(self, batch: RecordBatch) -> None:
        """Queue `batch`, when there is room."""
        async with self._changed:
            await self._changed.wait_for(self._has_room)
            self._waiting.append(batch)
            self._to_come = batch.to_come
            self._changed.notify_all()

    async def run(self) -> None:
        """Work until cancelled. Raises what `work` raises: nothing may pass over a batch that failed."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._count):
                    group.create_task(self._lane())
        finally:
            await self._forget()  # nobody is left to do what waits

    async def drain(self, seconds: float) -> None:
        """Wait for what waits and what is in hand, at most `seconds`; then give the rest up.

        What is not done is undone: a batch that is given up is rolled back, and read again by whoever claims its
        partition. One that a silent database holds on to is left behind: its partitions stay in hand until it ends, and
        the fence is between it and its successors. What a supplier brings meanwhile is new work, and not waited for.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: not self.busy)
        await self._forget()
        if calls := set(self._calls):
            for call in calls:
                call.cancel()
            await asyncio.wait(calls, timeout=LETTING_GO)

    async def _forget(self) -> None:
        async with self._changed:
            self._waiting.clear()
            self._changed.notify_all()

    async def _lane(self) -> None:
        while True:
            async with self._changed:
                waited_long = await self._until_something_waits()
                with suppress(TimeoutError):  # the rest of a fetch may be for nobody: its partitions were revoked
                    async with asyncio.timeout(FETCHED_TOGETHER):
                        await self._changed.wait_for(self._is_worth_a_call)
                batches = self._take() if waited_long or self._can_take() else []
                self._changed.notify_all()
            try:
                if batches:
                    await self._do(batches)
            finally:
                self._in_hand -= {batch.partition for batch in batches}
            async with self._changed:
                self._changed.notify_all()

    async def _until_something_waits(self) -> bool:
        """Wait until there is something to take; return whether it has waited long enough not to be merged."""
        while True:
            await self._changed.wait_for(self._free)
            try:
                async with asyncio.timeout(MERGED_FOR):
                    await self._changed.wait_for(lambda: self._can_take() or not self._free())
            except TimeoutError:
                return True
            if self._can_take():
                return False

    async def _do(self, batches: Sequence[RecordBatch]) -> None:
        """Work on `batches`; being given up ends the work and not the lane."""
        call = asyncio.ensure_future(self._work(batches))
        self._calls.add(call)
        try:
            await asyncio.wait([call])
        except asyncio.CancelledError:
            call.cancel()
            raise
        finally:
            self._calls.discard(call)
        if not call.cancelled():
            call.result()

    def _has_room(self) -> bool:
        return sum(batch.weight for batch in self._waiting) < self._count * self._limit

    def _can_take(self) -> bool:
        """Whether there is something to take, and either nobody at work or enough for one more.

        A transaction has its price however little is in it: what trickles in is merged while one is under way.
        """
        return self._free() >= (self._enough if self._in_hand else 1)

    def _is_worth_a_call(self) -> bool:
        """Whether to wait no longer for the rest of a fetch: it is there, or there is enough without it."""
        return not self._to_come or self._free() >= self._enough

    def _free(self) -> int:
        """Records that wait, of partitions that no lane has in hand."""
        return sum(batch.weight for batch in self._waiting if batch.partition not in self._in_hand)

    def _take(self) -> list[RecordBatch]:
        """Take the oldest batches up to the limit; of a partition, nothing before what came before it."""
        taken: list[RecordBatch] = []
        left: list[RecordBatch] = []
        passed_over = set(self._in_hand)
        weight = 0
        for batch in self._waiting:
            fits = not taken or weight + batch.weight <= self._limit
            if fits and batch.partition not in passed_over:
                taken.append(batch)
                weight += batch.weight
            else:
                left.append(batch)
                passed_over.add(batch.partition)
        self._waiting = left
        self._in_hand |= {batch.partition for batch in taken}
        return taken
