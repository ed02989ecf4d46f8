"""A service's sessions: what they rest on whatever the server is set to, and what a migration does to them."""

from contracts.topics import SPONSOR_ACTIVITY
from services.runtime.database import Connection
from services.sponsor_activity.app import SponsorActivity
from tests.support.as_service import connected
from tests.support.crm import add_sponsor
from tests.support.intakes import bench, stored
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
