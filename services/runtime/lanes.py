"""Lanes: disjoint partitions worked on by several transactions at once, each partition in order."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from services.runtime.records import RecordBatch

Work = Callable[[Sequence[RecordBatch]], Awaitable[None]]


class Lanes:
    """Spreads batches over lanes by partition, merges what waits in a lane, and gives it to `work`.

    `limit` is the most records that one call of `work` gets, unless a single batch has more. A lane that has a
    call's worth waiting makes `put` wait: that is the back-pressure.
    """

    def __init__(self, count: int, limit: int, work: Work) -> None:
        self._lanes = [_Lane(limit) for _ in range(count)]
        self._work = work

    @property
    def busy(self) -> bool:
        """Whether any lane has work in hand or waiting."""
        return not all(lane.settled.is_set() for lane in self._lanes)

    async def put(self, batch: RecordBatch) -> None:
        """Queue `batch`, when its lane has room."""
        await self._lanes[batch.partition % len(self._lanes)].put(batch)

    async def run(self) -> None:
        """Work until cancelled. Raises what `work` raises: nothing may pass over a batch that failed."""
        async with asyncio.TaskGroup() as group:
            for lane in self._lanes:
                group.create_task(lane.run(self._work))

    async def drain(self, seconds: float) -> None:
        """Wait for the work in flight, at most `seconds`; then give the rest up. What is not done is undone.

        A batch that is given up is rolled back, and read again by whoever claims its partition.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                for lane in self._lanes:
                    await lane.settled.wait()
        for lane in self._lanes:
            await lane.abandon()


class _Lane:
    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: list[RecordBatch] = []
        self._changed = asyncio.Condition()
        self._current: asyncio.Task[None] | None = None
        self.settled = asyncio.Event()
        self.settled.set()

    async def put(self, batch: RecordBatch) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._records() < self._limit)
            self._waiting.append(batch)
            self.settled.clear()
            self._changed.notify_all()

    async def run(self, work: Work) -> None:
        """Work until cancelled, or until `work` raises; then nothing is left to wait for."""
        try:
            while True:
                async with self._changed:
                    await self._changed.wait_for(lambda: bool(self._waiting))
                    batches = self._take()
                    self._changed.notify_all()
                await self._do(work, batches)
                if not self._waiting:
                    self.settled.set()
        finally:
            self.settled.set()

    async def _do(self, work: Work, batches: Sequence[RecordBatch]) -> None:
        """Work on `batches`; being abandoned ends the work and not the lane."""
        self._current = asyncio.ensure_future(work(batches))
        try:
            await asyncio.wait([self._current])
        except asyncio.CancelledError:
            self._current.cancel()
            raise
        if not self._current.cancelled():
            self._current.result()

    async def abandon(self) -> None:
        """Give up what waits and what is in hand; what a supplier brings meanwhile is new work, and not waited for."""
        async with self._changed:
            self._waiting.clear()
            self._changed.notify_all()
            current = self._current
            if current is None or current.done():
                self.settled.set()  # what waited had not been taken yet, and now nobody will
                return
        current.cancel()
        await asyncio.wait([current])

    def _records(self) -> int:
        return sum(len(batch.records) for batch in self._waiting)

    def _take(self) -> list[RecordBatch]:
        taken = [self._waiting.pop(0)]
        size = len(taken[0].records)
        while self._waiting and size + len(self._waiting[0].records) <= self._limit:
            taken.append(self._waiting.pop(0))
            size += len(taken[-1].records)
        return taken
