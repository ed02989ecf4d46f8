"""Activities go with their sponsor or event although no foreign key is tested for each row (docs/adr/0009)."""

import asyncio
from typing import Literal
from uuid import uuid4

import asyncpg
import pytest

from contracts.envelope import Event, decode
from contracts.topics import SPONSOR_ACTIVITY
from services.runtime.database import Connection
from services.sponsor_activity.app import SponsorActivity
from tests.support.crm import add_event, add_sponsor
from tests.support.databases import connect
from tests.support.intakes import Held, bench
from tests.support.interleaving import until_blocked
from tests.support.records import APPENDED, batch, event

LEFT = "SELECT count(*) FROM sponsor_activities"
ORPHANS = """
    SELECT count(*) FROM sponsor_activities AS activity
    WHERE NOT EXISTS (SELECT FROM sponsors WHERE id = activity.sponsor_id)
       OR activity.event_id IS NOT NULL AND NOT EXISTS (SELECT FROM events WHERE id = activity.event_id)
"""


def note(sponsor: str, event_id: str | None = None) -> bytes:
    return event(SPONSOR_ACTIVITY, "note_added", sponsor_id=sponsor, event_id=event_id)


@pytest.mark.parametrize("deletion", ["DELETE FROM sponsors WHERE id = $1", "DELETE FROM events WHERE id = $2"])
async def test_they_go_with_their_sponsor_and_with_their_event_and_no_others_go(
    connection: Connection, database_url: str, deletion: str
) -> None:
    sponsor, other = await add_sponsor(connection), await add_sponsor(connection)
    gala, fair = await add_event(connection), await add_event(connection)
    async with bench(database_url, SponsorActivity()) as it:
        await it.process(batch(0, 0, note(sponsor, gala), note(other, fair), note(other)))
    await connection.execute(deletion.replace("$1", f"'{sponsor}'").replace("$2", f"'{gala}'"))

    assert await connection.fetchval(LEFT) == 2
    assert await connection.fetchval(ORPHANS) == 0


@pytest.mark.parametrize("table", ["sponsors", "events"])
async def test_a_deletion_waits_for_the_batch_that_refers_to_the_row_and_takes_what_it_wrote(
    connection: Connection, database_url: str, table: str
) -> None:
    ids = {"sponsors": await add_sponsor(connection), "events": await add_event(connection)}
    held = Held()
    async with bench(database_url, held) as it:
        batch_at_work = asyncio.create_task(it.process(batch(0, 0, note(ids["sponsors"], ids["events"]))))
        await held.reached.wait()
        deleter = await connect(database_url)
        await deleter.execute("SET application_name TO deleter")
        deletion = asyncio.create_task(deleter.execute(f"DELETE FROM {table} WHERE id = '{ids[table]}'"))  # noqa: S608
        await until_blocked(connection, "deleter", batch_at_work)
        held.go.set()
        await asyncio.gather(batch_at_work, deletion)
        await deleter.close()

    assert await connection.fetchval(LEFT) == 0


@pytest.mark.parametrize("isolation", ["repeatable_read", "serializable"])
async def test_a_deletion_that_could_leave_some_behind_is_refused(
    connection: Connection, isolation: Literal["repeatable_read", "serializable"]
) -> None:
    sponsor = await add_sponsor(connection)
    with pytest.raises(asyncpg.FeatureNotSupportedError, match="READ COMMITTED"):
        async with connection.transaction(isolation=isolation):
            await connection.execute("DELETE FROM sponsors WHERE id = $1", sponsor)


@pytest.mark.parametrize(("table", "add"), [("sponsors", add_sponsor), ("events", add_event)])
async def test_no_row_that_facts_may_refer_to_changes_its_id(connection: Connection, table: str, add: object) -> None:
    id_ = await add(connection)  # type: ignore[operator]
    with pytest.raises(asyncpg.ForeignKeyViolationError, match="does not change"):
        await connection.execute(f"UPDATE {table} SET id = gen_random_uuid() WHERE id = $1", id_)  # noqa: S608


@pytest.mark.parametrize(("source", "id_"), [("/crm", "1"), ("é🎟️", "\U0001f600" * 255), ("a\x01", "b c")])
async def test_postgres_and_the_services_name_an_identity_alike(connection: Connection, source: str, id_: str) -> None:
    value = event(SPONSOR_ACTIVITY, "note_added", source=source, id=id_, sponsor_id=str(uuid4()))
    made = decode(SPONSOR_ACTIVITY, value, (), APPENDED)
    assert isinstance(made, Event)
    named = await connection.fetchval("SELECT event_identity($1, $2)", source, id_)
    assert named.hex == made.identity
