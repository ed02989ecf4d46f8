"""Scripted interleavings of projection: replicas, and changes that come while a shard is computed."""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.runtime.database import Connection
from services.sponsor_activity.app import ProposalViews
from tests.support.crm import add_event, add_proposal, add_sponsor
from tests.support.databases import connect
from tests.support.interleaving import terminate
from tests.support.projections import HeldViews, mark, marks, projection

pytestmark = pytest.mark.proves(26, 28)


async def viewed(connection: Connection, proposal: str, n: int) -> None:
    """Count views, and mark the proposal, as intake does."""
    async with connection.transaction():
        await connection.execute(
            "INSERT INTO proposal_counters AS c VALUES ($1, 0, $2)"
            " ON CONFLICT (proposal_id, shard) DO UPDATE SET n = c.n + excluded.n",
            proposal,
            n,
        )
        await mark(connection, proposal)


async def total(connection: Connection, proposal: str) -> int:
    views: int = await connection.fetchval("SELECT total_views FROM sponsor_proposals WHERE id = $1", proposal)
    return views


@pytest.fixture
async def proposal(connection: Connection) -> str:
    made = await add_proposal(connection, await add_sponsor(connection), await add_event(connection))
    await connection.execute("DELETE FROM stale_marks")
    return made


async def test_of_two_replicas_on_a_shard_one_computes_and_no_older_state_is_written_over_a_newer_one(
    connection: Connection, database_url: str, proposal: str
) -> None:
    """The first is frozen after reading; a change comes; the other may not compute it before the first is through."""
    held = HeldViews()
    await viewed(connection, proposal, 1)
    shard = UUID(proposal).int & 15
    async with projection(database_url, held) as first, projection(database_url, ProposalViews()) as second:
        frozen = asyncio.create_task(first.take([shard]))
        await held.reached.wait()
        await viewed(connection, proposal, 1)
        assert not await second.take([shard])
        assert await second.sweep() == 0  # and does not spin on what it cannot own
        held.go.set()
        assert await frozen

        assert (await total(connection, proposal), await marks(connection)) == (1, [proposal])
        assert await second.sweep() == 1
    assert (await total(connection, proposal), await marks(connection)) == (2, [])


async def test_a_replica_that_is_ended_between_reading_and_writing_leaves_its_marks_and_its_shard(
    connection: Connection, database_url: str, proposal: str
) -> None:
    held = HeldViews()
    await viewed(connection, proposal, 3)
    async with projection(database_url, held) as first, projection(database_url, ProposalViews()) as second:
        frozen = asyncio.create_task(first.take([UUID(proposal).int & 15]))
        await held.reached.wait()
        await terminate(connection, "eventos-sponsor_activity")
        held.go.set()
        with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError, asyncpg.InterfaceError)):
            await frozen
        assert await marks(connection) == [proposal]
        async with asyncio.timeout(20):
            await second.sweep()

    assert (await total(connection, proposal), await marks(connection)) == (3, [])


async def test_a_mark_that_commits_while_marks_are_taken_is_not_lost(
    connection: Connection, database_url: str, proposal: str
) -> None:
    """Its change was invisible to the round, and so is the mark: it stays."""
    other = await connect(database_url)
    await viewed(connection, proposal, 1)
    async with projection(database_url, ProposalViews()) as it:
        async with other.transaction():
            await other.execute("UPDATE proposal_counters SET n = 5")
            await mark(other, proposal)
            assert await it.sweep() == 1
            assert await total(connection, proposal) == 1
        assert await it.sweep() == 1
    await other.close()

    assert (await total(connection, proposal), await marks(connection)) == (5, [])


async def test_a_first_row_that_appears_while_its_key_is_computed_is_computed_again(
    connection: Connection, database_url: str
) -> None:
    """There is nothing to lock yet: the shard is what is owned, and the row's own mark what stays."""
    sponsor, event_id, proposal = await add_sponsor(connection), await add_event(connection), str(uuid4())
    held = HeldViews()
    await viewed(connection, proposal, 4)
    async with projection(database_url, held) as first, projection(database_url, ProposalViews()) as second:
        frozen = asyncio.create_task(first.take([UUID(proposal).int & 15]))
        await held.reached.wait()
        await add_proposal(connection, sponsor, event_id, proposal)
        assert await second.sweep() == 0
        held.go.set()
        await frozen
        assert await total(connection, proposal) == 0
        await second.sweep()

    assert await total(connection, proposal) == 4
