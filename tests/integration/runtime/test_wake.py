"""Who waits for work is woken by a notice; one that is lost costs a poll and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from contracts.topics import SPONSOR_ACTIVITY
from services.runtime.database import Connection
from services.runtime.settings import Settings
from services.runtime.wake import OUTBOX_CHANNEL, Bell, marks_channel, wake
from services.sponsor_activity.app import SponsorActivity
from tests.support.crm import add_sponsor
from tests.support.intakes import bench
from tests.support.interleaving import terminate
from tests.support.proxy import proxy
from tests.support.records import batch, event

pytestmark = pytest.mark.proves(27)

LONG = 60.0


@pytest.fixture
async def bell(database_url: str) -> AsyncIterator[Bell]:
    async with listening(database_url) as made:
        yield made


@asynccontextmanager
async def listening(database_url: str) -> AsyncIterator[Bell]:
    """Who waits for the marks of lead_scores, listening; its first ring, for having begun to, is over."""
    settings = Settings(kafka_bootstrap_servers="unused:9092", database_url=SecretStr(database_url))
    made = Bell(settings, "lead_scoring", marks_channel("lead_scores"))
    running = asyncio.create_task(made.run())
    try:
        assert await made.wait(LONG)
        yield made
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_a_batch_that_marks_wakes_the_projection_it_is_for(
    connection: Connection, database_url: str, bell: Bell
) -> None:
    sponsor = await add_sponsor(connection)
    async with bench(database_url, SponsorActivity()) as it:
        await it.process(batch(0, 0, event(SPONSOR_ACTIVITY, "note_added", sponsor_id=sponsor)))
        assert not await bell.wait(0.2)
        await it.process(batch(0, 1, event(SPONSOR_ACTIVITY, "meeting_held", sponsor_id=sponsor)))
        assert await bell.wait(LONG)


async def test_many_notices_are_one_ring_and_those_for_others_none(connection: Connection, bell: Bell) -> None:
    await wake(connection, ["lead_scores"], outbox=True)
    assert await bell.wait(LONG)
    for _ in range(5):
        bell.ring()
    assert await bell.wait(LONG)
    await wake(connection, ["dashboards"], outbox=True)
    await wake(connection, [], outbox=False)
    assert marks_channel("lead_scores") != OUTBOX_CHANNEL
    assert not await bell.wait(0.2)


async def test_a_listener_that_was_cut_off_rings_for_what_it_may_have_missed_and_listens_again(
    connection: Connection, bell: Bell
) -> None:
    await terminate(connection, "eventos-lead_scoring")
    assert await bell.wait(LONG)  # may have missed something
    assert await bell.wait(LONG)  # listens again
    await wake(connection, ["lead_scores"], outbox=False)
    assert await bell.wait(LONG)


async def test_a_listener_whose_network_has_gone_silent_finds_out_by_itself(
    connection: Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.runtime.wake.SIGN_OF_LIFE", 0.1)
    monkeypatch.setattr("services.runtime.database.COMMAND_TIMEOUT", 0.5)
    async with proxy(database_url) as between, listening(between.url(database_url)) as bell:
        between.stall()
        assert await bell.wait(LONG)  # nothing came, and nobody closed anything
        between.flow()
        assert await bell.wait(LONG)  # listens again
        await wake(connection, ["lead_scores"], outbox=False)
        assert await bell.wait(LONG)


async def test_a_notice_that_cannot_be_given_harms_nobody(connection: Connection, database_url: str) -> None:
    async with bench(database_url, SponsorActivity()) as it, it.pool.acquire() as service:
        await terminate(connection, "eventos-sponsor_activity")
        await wake(service, ["lead_scores"], outbox=True)
