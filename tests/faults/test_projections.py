"""Projections that end or freeze between reading and writing, and notices that nobody hears."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial

import pytest

from services.runtime.database import Connection
from tests.support.faulty import Scene
from tests.support.stage import Stage

pytestmark = pytest.mark.timeout(300)
LOCKS = {
    "lead_scoring": "LOCK TABLE sponsor_lead_scores IN SHARE MODE",
    "event_dashboards": "LOCK TABLE event_dashboards IN SHARE MODE",
}
"""What keeps the services with projections from writing their views."""


@pytest.mark.long
@pytest.mark.proves(26)
async def test_projections_killed_between_reading_and_writing_leave_no_older_state_and_lose_no_mark(
    stage: Stage,
) -> None:
    """Two replicas of each. Nobody may write a view, so all rounds under way have read and not written."""
    async with stage.scene() as it:
        await it.flowing()
        await asyncio.gather(*(it.add(service, 1) for service in LOCKS))
        for _ in range(2):
            for service in LOCKS:
                await _while_writes_wait(it, service)
        seconds = await it.recovered()
        await it.prove("one of two replicas killed with -9, its rounds read and not written", 4, seconds)


async def _while_writes_wait(it: Scene, service: str) -> None:
    async with it.holding(LOCKS[service]):
        await it.blocked(service, 2)
        await it.kill(it.processes(service)[0])
    await it.until(lambda: all(child.running for child in it.processes(service)))


@pytest.mark.long
@pytest.mark.proves(26)
async def test_a_projection_frozen_between_reading_and_writing_writes_nothing_when_it_wakes_up_late(
    stage: Stage,
) -> None:
    """Its session is ended by the database for idling in a transaction, and frees what it held."""
    async with stage.scene() as it:
        await it.flowing()
        await it.add("lead_scoring", 1)
        victim, other = it.processes("lead_scoring")
        async with AsyncExitStack() as still:
            async with it.holding(LOCKS["lead_scoring"]):
                await it.blocked("lead_scoring", 2)
                still.enter_context(it.frozen(victim))
            async with it.observer() as observer:
                await it.until(partial(observer.fetchval, f"SELECT {_IDLE_IN_TRANSACTION}"))
                freed = await it.until(partial(observer.fetchval, f"SELECT NOT {_IDLE_IN_TRANSACTION}"))
            await it.until(lambda: _no_old_marks(it))
        seconds = await it.recovered()
        assert other.running
        await it.prove(f"one of two replicas frozen; the database freed its shard after {freed:.0f} s", 1, seconds)


_IDLE_IN_TRANSACTION = (
    "EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name = 'eventos-lead_scoring' AND state = 'idle in transaction'"
    " AND state_change < now() - interval '2 s')"
)


async def _no_old_marks(it: Scene) -> bool:
    old: bool = await it.services.pool.fetchval(
        "SELECT EXISTS (SELECT FROM stale_marks WHERE priority = 0 AND marked_at < now() - interval '3 s')"
    )
    return not old


@pytest.mark.long
@pytest.mark.proves(27)
async def test_marks_whose_notices_nobody_hears_are_found_by_the_poll_within_its_interval(stage: Stage) -> None:
    async with stage.scene(poll_interval=1.0) as it:
        await it.flowing()
        oldest, cut = 0.0, 0
        async with it.observer() as observer:
            for _ in range(100):
                cut += await _cut_listeners(observer)
                oldest = max(oldest, await observer.fetchval(_OLDEST) or 0.0)
                await it.lasts(0.1)
        seconds = await it.recovered()
        assert cut > 0
        assert oldest < 5
        await it.prove(
            f"every listening connection cut for 10 s, {cut} times; the oldest mark waited {oldest:.1f} s", cut, seconds
        )


_OLDEST = "SELECT extract(epoch FROM now() - min(marked_at))::float8 FROM stale_marks WHERE priority = 0"


async def _cut_listeners(observer: Connection) -> int:
    return len(
        await observer.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        )
    )
