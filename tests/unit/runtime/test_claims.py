"""Claims of partitions while Faust rebalances: the last one stands for what is assigned, and for nothing else."""

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from faust.types import TP

from services.runtime.record_batches import BatchApp, Claimed, Consumer


class Rebalancing(Consumer):
    """A consumer without a broker, whose assignment the test changes, and whose claims it lets through."""

    def __init__(self) -> None:
        self._claiming = asyncio.Lock()
        self.assigned = {0, 1}
        self.claims: list[set[int]] = []
        self.answers: list[asyncio.Future[None]] = []
        self.resumed: list[set[TP]] = []
        self._paused_partitions = set[TP]()
        self.app = cast(BatchApp, SimpleNamespace(claim=self._claim, claim_timeout=5, stopped=set()))

    def assignment(self) -> set[TP]:
        return {TP("topic", partition) for partition in self.assigned}

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        return dict.fromkeys(partitions, 0)

    highwaters = earliest_offsets

    async def _claim(self, earliest: Mapping[int, int], ends: Mapping[int, int]) -> dict[int, Claimed]:
        self.claims.append(set(earliest))
        self.answers.append(asyncio.get_running_loop().create_future())
        await self.answers[-1]
        return {partition: Claimed(0, stopped=False) for partition in earliest}

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        if not {tp.partition for tp in partitions} <= self.assigned:
            raise RuntimeError("no current assignment")

    def pause_partitions(self, tps: Any) -> None: ...

    def resume_partitions(self, tps: Any) -> None:
        self.resumed.append(set(tps))


async def until_claimed(consumer: Rebalancing, count: int) -> None:
    while len(consumer.claims) < count:  # noqa: ASYNC110
        await asyncio.sleep(0)


async def test_a_claim_that_a_rebalance_overtakes_never_stands_beside_the_one_after_it() -> None:
    consumer = Rebalancing()
    overtaken = asyncio.create_task(consumer._seek_to_claimed())
    await until_claimed(consumer, 1)
    consumer.assigned = {1}
    after = asyncio.create_task(consumer._seek_to_claimed())
    consumer.answers[0].set_result(None)
    with pytest.raises(RuntimeError):
        await overtaken
    await until_claimed(consumer, 2)
    consumer.answers[1].set_result(None)

    assert await after == {TP("topic", 1): 0}
    assert consumer.claims == [{0, 1}, {1}]


async def test_a_partition_that_a_claim_finds_stopped_no_more_is_read_again_whatever_the_claim_was_for() -> None:
    consumer = Rebalancing()
    consumer.app.stopped = {TP("topic", 1), TP("topic", 7)}  # one is not ours any more
    consumer._paused_partitions = set(consumer.app.stopped)
    claim = asyncio.create_task(consumer._seek_to_claimed())
    await until_claimed(consumer, 1)
    assert consumer.resumed == []
    consumer.answers[0].set_result(None)
    await claim

    assert (consumer.resumed, consumer.app.stopped) == ([{TP("topic", 1)}], set())
