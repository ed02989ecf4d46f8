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
