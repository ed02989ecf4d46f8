"""Lanes: every partition in order, work side by side, room for so much and no more, and an end that always comes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest

from services.runtime import lanes as module
from services.runtime.lanes import Lanes
from services.runtime.records import LARGE_RECORD, RecordBatch


def batch(partition: int, follows: int, records: int = 1) -> RecordBatch:
    things: Sequence[Any] = range(follows, follows + records)
    return RecordBatch(partition, things, follows)


class Work:
    """What is done in the lanes, one step at a time: each call waits until it is let go, or fails."""

    def __init__(self) -> None:
        self.begun: list[list[tuple[int, int]]] = []
        self.done: list[tuple[int, int]] = []
        self._gates: list[asyncio.Future[None]] = []

    async def __call__(self, batches: Sequence[RecordBatch]) -> None:
        given = [(it.partition, it.follows) for it in batches]
        self.begun.append(given)
        self._gates.append(asyncio.get_running_loop().create_future())
        await self._gates[len(self.begun) - 1]
        self.done += given

    def let_go(self, call: int) -> None:
        self._gates[call].set_result(None)

    def fail(self, call: int) -> None:
        self._gates[call].set_exception(ZeroDivisionError())


async def settle() -> None:
    """Let everything happen that can happen by itself."""
    for _ in range(20):
        await asyncio.sleep(0)


@asynccontextmanager
async def running(lanes: Lanes) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(lanes.run())
    await settle()
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_partitions_are_worked_on_at_once_as_long_as_there_are_lanes() -> None:
    work = Work()
    lanes = Lanes(2, 1, work)
    async with running(lanes):
        for it in (batch(0, 0), batch(2, 0), batch(4, 0)):
            await lanes.put(it)
        await settle()
        assert work.begun == [[(0, 0)], [(2, 0)]]
        work.let_go(0)
        await settle()
        assert work.begun == [[(0, 0)], [(2, 0)], [(4, 0)]]


async def test_a_partition_is_in_one_lane_at_a_time_and_a_free_lane_takes_others_first() -> None:
    work = Work()
    lanes = Lanes(2, 2, work)
    async with running(lanes):
        for it in (batch(0, 0), batch(0, 1, 2), batch(0, 3), batch(1, 0)):
            await lanes.put(it)
            await settle()
        assert work.begun == [[(0, 0)], [(1, 0)]]
        work.let_go(1)
        await settle()
        assert len(work.begun) == 2
        work.let_go(0)
        await settle()
        assert work.begun[2:] == [[(0, 1)]]


async def test_what_waits_is_merged_up_to_the_limit_in_its_order() -> None:
    work = Work()
    lanes = Lanes(1, 10, work)
    async with running(lanes):
        await lanes.put(batch(0, 0))
        await settle()
        for it in (batch(0, 1, 4), batch(1, 0, 5), batch(0, 5, 3)):
            await lanes.put(it)
        work.let_go(0)
        await settle()
        work.let_go(1)
        await settle()
        assert work.begun == [[(0, 0)], [(0, 1), (1, 0)], [(0, 5)]]


async def test_a_batch_larger_than_the_limit_is_worked_on_alone() -> None:
    work = Work()
    lanes = Lanes(1, 10, work)
    async with running(lanes):
        await lanes.put(batch(0, 0, 50))
        await settle()
        assert work.begun == [[(0, 0)]]


async def test_large_records_count_as_several_so_that_few_of_them_fill_a_call_and_what_may_wait() -> None:
    work = Work()
    lanes = Lanes(1, 10, work)
    large = 5 * LARGE_RECORD
    async with running(lanes):
        await lanes.put(batch(0, 0))
        await settle()
        for it in (batch(1, 0), batch(2, 0)):
            await asyncio.wait_for(lanes.put(replace(it, size=large)), 1)
        full = asyncio.create_task(lanes.put(batch(3, 0)))
        await settle()
        assert not full.done()
        work.let_go(0)
        await settle()
        assert full.done()
        assert work.begun == [[(0, 0)], [(1, 0), (2, 0)]]


async def test_when_every_lane_has_its_fill_waiting_the_supplier_waits() -> None:
    work = Work()
    lanes = Lanes(2, 2, work)
    async with running(lanes):
        for follows in range(5):
            await lanes.put(batch(0, follows))
            await settle()
        full = asyncio.create_task(lanes.put(batch(1, 0)))
        await settle()
        assert not full.done()
        work.let_go(0)
        await settle()
        assert full.done()
        assert work.begun == [[(0, 0)], [(0, 1), (0, 2)], [(1, 0)]]


async def test_draining_waits_for_what_is_in_hand_and_what_waits() -> None:
    work = Work()
    lanes = Lanes(1, 1, work)
    async with running(lanes):
        await lanes.put(batch(0, 0))
        await settle()
        await lanes.put(batch(0, 1))
        assert lanes.busy
        draining = asyncio.create_task(lanes.drain(60))
        work.let_go(0)
        await settle()
        assert not draining.done()
        work.let_go(1)
        await draining
        assert (work.done, lanes.busy) == ([(0, 0), (0, 1)], False)


async def test_what_does_not_end_in_time_is_given_up_and_the_lane_goes_on() -> None:
    work = Work()
    lanes = Lanes(1, 1, work)
    async with running(lanes):
        await lanes.put(batch(0, 0))
        await settle()
        await lanes.put(batch(0, 1))
        await lanes.drain(0.01)
        await settle()
        assert (work.done, lanes.busy) == ([], False)

        await lanes.put(batch(0, 0))
        await settle()
        work.let_go(1)
        await settle()
        assert (work.begun, work.done) == ([[(0, 0)], [(0, 0)]], [(0, 0)])


@pytest.mark.parametrize("before", [0, 1])
async def test_what_is_given_up_before_the_lane_has_taken_it_leaves_the_lane_idle(before: int) -> None:
    """Otherwise a rebalance waits for ever for work that nobody has, and the watchdog sees a busy lane."""
    work = Work()
    lanes = Lanes(1, 5, work)
    async with running(lanes):
        for call in range(before):
            await lanes.put(batch(0, call))
            await settle()
            work.let_go(call)
            await settle()
        await lanes.put(batch(0, 9))  # the lane has not had a turn since
        async with asyncio.timeout(5):
            await lanes.drain(1e-9)
        assert not lanes.busy
        await settle()
        assert len(work.begun) == before

        await lanes.put(batch(0, 9))
        await settle()
        assert work.begun[before:] == [[(0, 9)]]


async def test_what_does_not_let_go_is_left_behind_and_its_partition_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a transaction on a database that is silent: a member that waited for it would be put out of its group."""
    monkeypatch.setattr(module, "LETTING_GO", 0.01)
    held = asyncio.Event()
    begun: list[list[int]] = []

    async def stubborn(batches: Sequence[RecordBatch]) -> None:
        begun.append([batch.partition for batch in batches])
        while len(begun) == 1 and not held.is_set():
            with suppress(asyncio.CancelledError):
                await held.wait()

    lanes = Lanes(2, 1, stubborn)
    async with running(lanes):
        await lanes.put(batch(0, 0))
        await settle()
        async with asyncio.timeout(5):
            await lanes.drain(0.01)
        await lanes.put(batch(0, 0))
        await lanes.put(batch(1, 0))
        await settle()
        assert begun == [[0], [1]]

        held.set()
        await settle()
        assert begun == [[0], [1], [0]]


async def test_what_trickles_in_waits_for_a_call_under_way_only_for_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """That may wait itself, for a lock on somebody's row, and its partition is not the only one."""
    monkeypatch.setattr(module, "MERGED_FOR", 0.01)
    held, other = asyncio.Event(), asyncio.Event()

    async def waiting(batches: Sequence[RecordBatch]) -> None:
        if batches[0].partition == 1:
            other.set()
        await held.wait()

    lanes = Lanes(2, 100, waiting)
    async with running(lanes):
        await lanes.put(batch(0, 0))
        await settle()
        await lanes.put(batch(1, 0))
        await settle()
        assert not other.is_set()
        await asyncio.wait_for(other.wait(), 5)
        held.set()


async def test_giving_up_does_not_wait_for_what_a_supplier_brings_when_there_is_room_again() -> None:
    """A rebalance would wait for a database that is away."""
    work = Work()
    lanes = Lanes(1, 1, work)
    async with running(lanes):
        for follows in range(2):
            await lanes.put(batch(0, follows))
            await settle()
        supplier = asyncio.create_task(lanes.put(batch(0, 2)))
        await settle()
        async with asyncio.timeout(5):
            await lanes.drain(0.01)
        await supplier
        await settle()
        assert work.begun == [[(0, 0)], [(0, 2)]]
        assert lanes.busy


async def test_work_that_fails_ends_the_run_and_leaves_nobody_waiting() -> None:
    work = Work()
    lanes = Lanes(2, 1, work)
    async with running(lanes) as task:
        await lanes.put(batch(0, 0))
        await lanes.put(batch(1, 0))
        await settle()
        await lanes.put(batch(0, 1))
        draining = asyncio.create_task(lanes.drain(60))
        work.fail(0)
        with pytest.raises(ExceptionGroup) as caught:
            await task
        assert caught.group_contains(ZeroDivisionError)
        async with asyncio.timeout(5):
            await draining
        assert work.done == []


async def test_a_run_that_is_cancelled_cancels_its_work() -> None:
    work = Work()
    lanes = Lanes(1, 1, work)
    async with running(lanes):
        await lanes.put(batch(0, 0))
        await settle()
    assert work._gates[0].cancelled()
    assert not lanes.busy


async def test_what_trickles_in_while_one_lane_works_is_merged_and_much_of_it_gets_a_lane_of_its_own() -> None:
    work = Work()
    lanes = Lanes(2, 16, work)
    async with running(lanes):
        for partition in range(2):
            await lanes.put(batch(partition, 0))
            await settle()
        assert work.begun == [[(0, 0)]]
        await lanes.put(batch(2, 0))
        await settle()
        assert work.begun == [[(0, 0)], [(1, 0), (2, 0)]]
        await lanes.put(batch(3, 0))
        work.let_go(0)
        await settle()
        assert len(work.begun) == 2
        work.let_go(1)
        await settle()
        assert work.begun[2:] == [[(3, 0)]]


async def test_what_was_fetched_together_is_worked_on_together() -> None:
    work = Work()
    lanes = Lanes(2, 80, work)
    async with running(lanes):
        for it in (batch(0, 0), batch(1, 0), batch(2, 0)):
            await lanes.put(replace(it, to_come=2 - it.partition))
            await settle()
        assert work.begun == [[(0, 0), (1, 0), (2, 0)]]


async def test_the_rest_of_a_fetch_is_not_waited_for_once_there_is_enough_nor_when_it_never_comes() -> None:
    work = Work()
    lanes = Lanes(2, 80, work)
    async with running(lanes):
        await lanes.put(replace(batch(0, 0, 10), to_come=2))
        await settle()
        assert work.begun == [[(0, 0)]]
        work.let_go(0)
        await lanes.put(replace(batch(1, 0), to_come=1))
        async with asyncio.timeout(5):
            while len(work.begun) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0)
