"""A service's sessions: what they rest on whatever the server is set to, and what a migration does to them."""

import asyncio

import pytest

from contracts.topics import SPONSOR_ACTIVITY
from services.runtime.database import Connection, Pool, transaction
from services.sponsor_activity.app import SponsorActivity
from tests.support.as_service import connected, pool_of_one
from tests.support.crm import add_sponsor
from tests.support.intakes import bench, stored
from tests.support.interleaving import until_blocked
from tests.support.proxy import proxy
from tests.support.records import batch, event


async def test_a_session_is_bounded_and_sees_what_it_waited_for_whatever_the_servers_defaults(
    connection: Connection, database_url: str
) -> None:
    database = await connection.fetchval("SELECT current_database()")
    for default in ("default_transaction_isolation = 'serializable'", "timezone = 'Asia/Tokyo'", "lock_timeout = 0"):
        await connection.execute(f'ALTER DATABASE "{database}" SET {default}')
    async with connected(database_url, "ticket_sales") as session:
        names = "role transaction_isolation timezone lock_timeout statement_timeout idle_in_transaction_session_timeout"
        settings = [await session.fetchval("SELECT current_setting($1)", name) for name in names.split()]

    assert settings == ["eventos_ticket_sales", "read committed", "UTC", "5s", "30s", "30s"]


async def test_a_migration_that_changes_a_table_under_a_running_service_costs_a_retry(
    connection: Connection, database_url: str
) -> None:
    sponsor = await add_sponsor(connection)
    async with bench(database_url, SponsorActivity()) as it:
        await it.process(batch(0, 0, event(SPONSOR_ACTIVITY, "note_added", sponsor_id=sponsor)))
        await connection.execute("ALTER TABLE stream_offsets ALTER COLUMN refused_in_row TYPE bigint")
        await it.process(batch(0, 1, event(SPONSOR_ACTIVITY, "note_added", sponsor_id=sponsor)))
        assert it.count("eventos_database_retries_total", kind="InvalidCachedStatementError") >= 1

    assert await stored(connection) == {0: (2, 2, 0, 0)}


@pytest.mark.proves(6)
async def test_a_transaction_that_is_cancelled_does_not_wait_for_a_database_that_is_silent(database_url: str) -> None:
    async def work(pool: Pool, began: asyncio.Event) -> None:
        async with pool.acquire() as connection, transaction(connection):
            began.set()
            await connection.execute("SELECT pg_sleep(300)")

    async with proxy(database_url) as between, pool_of_one(between.url(database_url), "ticket_sales") as pool:
        began = asyncio.Event()
        working = asyncio.create_task(work(pool, began))
        await began.wait()
        between.stall()
        working.cancel()
        await asyncio.wait([working], timeout=10)
        assert working.cancelled()
        between.flow()
        async with asyncio.timeout(10):
            assert await pool.fetchval("SELECT 1") == 1


@pytest.mark.proves(4, 6)
async def test_a_session_whose_client_is_gone_waits_for_no_lock(connection: Connection, database_url: str) -> None:
    """However long it may wait: here for good."""

    async def work(pool: Pool) -> None:
        async with pool.acquire() as session, transaction(session):
            await session.execute("SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0")
            await session.execute("SELECT pg_advisory_xact_lock(1)")

    await connection.execute("SELECT pg_advisory_lock(1)")
    async with pool_of_one(database_url, "ticket_sales") as pool:
        working = asyncio.create_task(work(pool))
        await until_blocked(connection, "eventos-ticket_sales", working)
        working.cancel()
        await until_blocked(connection, "eventos-ticket_sales", blocked=False)
