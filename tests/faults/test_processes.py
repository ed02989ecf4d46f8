"""Processes that freeze, end, come and go."""

import asyncio
from signal import SIGTERM

import pytest

from services.operator.processes import INTAKE_SERVICES
from tests.support.faulty import Stage

pytestmark = pytest.mark.timeout(240)


@pytest.mark.proves(8)
async def test_replicas_that_come_go_and_are_restarted_in_turn_lose_and_double_nothing(stage: Stage) -> None:
    async with stage.scene() as it:
        await it.flowing()
        await asyncio.gather(*(it.add(service, 2) for service in INTAKE_SERVICES))
        await it.recovered()
        for replica in range(3):
            turn = [it.processes(service)[0] for service in INTAKE_SERVICES]  # who was restarted goes to the end
            assert await asyncio.gather(*map(it.restart, turn)) == [0, 0, 0], replica
        await it.recovered()
        for _ in range(2):
            leaving = [it.processes(service)[0] for service in INTAKE_SERVICES]
            assert await asyncio.gather(*map(it.remove, leaving)) == [0, 0, 0]
        seconds = await it.recovered()
        await it.prove("each intake service from 1 to 3 replicas, all restarted in turn, back to 1", 7, seconds)


@pytest.mark.proves(20)
async def test_a_process_that_is_asked_to_stop_twice_in_the_middle_of_its_batches_commits_them_and_ends_with_0(
    stage: Stage,
) -> None:
    async with stage.scene(rate=300) as it:
        await it.flowing()
        victims = [it.processes(service)[0] for service in INTAKE_SERVICES]
        stopping = [asyncio.create_task(it.restart(child)) for child in victims]
        await asyncio.sleep(0)  # all have had the first by then
        for child in victims:
            assert child.process is not None
            child.process.send_signal(SIGTERM)
        assert await asyncio.gather(*stopping) == [0, 0, 0]
        seconds = await it.recovered()
        await it.prove("SIGTERM, and again at once, to each intake service under load", 3, seconds)
