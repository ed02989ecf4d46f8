"""Activities go with their sponsor or event although no foreign key is tested for each row (docs/adr/0009)."""

import asyncio
from collections.abc import Callable
from typing import Any, Literal, NamedTuple
from uuid import uuid4

import asyncpg
import pytest

from contracts.envelope import Event, decode
from contracts.topics import EMAIL_ENGAGEMENT, SPONSOR_ACTIVITY, Topic
from services.email_engagement.app import EmailEngagement
from services.runtime.database import Connection
from services.runtime.intake import Handler
from services.runtime.records import RecordBatch
from services.sponsor_activity.app import SponsorActivity
from tests.support.crm import add_event, add_sponsor
from tests.support.databases import connect
from tests.support.intakes import Held, bench, stored
from tests.support.interleaving import until_blocked
from tests.support.records import APPENDED, batch, event

YEAR = 365 * 24 * 60
"""Minutes of a year."""
_ORPHANS = """
    SELECT count(*) FROM :table AS activity
    WHERE NOT EXISTS (SELECT FROM sponsors WHERE id = activity.sponsor_id)
       OR activity.event_id IS NOT NULL AND NOT EXISTS (SELECT FROM events WHERE id = activity.event_id)
"""


class Writer(NamedTuple):
    """A service that writes activities: a fact of its topic that makes one, and the table."""

    service: str
    handler: Callable[[], Handler]
    topic: Topic
    fact: str
    table: str

    def about(self, sponsor: str | None, event_id: str | None = None, *, fact: str | None = None, **data: Any) -> bytes:
        """A fact about these; of an e-mail of its own, unless `data` says of which."""
        if self.topic is EMAIL_ENGAGEMENT:
            data.setdefault("message_id", str(uuid4()))
        return event(self.topic, fact or self.fact, sponsor_id=sponsor, event_id=event_id, **data)

    def batch(self, follows: int, *values: bytes) -> RecordBatch:
        """A batch of the topic."""
        return batch(0, follows, *values, topic=self.topic)

    @property
    def left(self) -> str:
        """How many activities there are."""
        return f"SELECT count(*) FROM {self.table}"  # noqa: S608

    @property
    def orphans(self) -> str:
        """How many there are whose sponsor or event is gone."""
        return _ORPHANS.replace(":table", self.table)


CRM = Writer("sponsor_activity", SponsorActivity, SPONSOR_ACTIVITY, "note_added", "sponsor_activities")
MAIL = Writer("email_engagement", EmailEngagement, EMAIL_ENGAGEMENT, "sent", "agent_sales_activities")

by_either = pytest.mark.parametrize("writer", [CRM, MAIL], ids=lambda writer: writer.service)
of_either = pytest.mark.parametrize("table", ["sponsors", "events"])


@by_either
@of_either
async def test_they_go_with_their_sponsor_and_with_their_event_and_no_others_go(
    connection: Connection, database_url: str, writer: Writer, table: str
) -> None:
    """Of whatever time they are: e-mails lie in months."""
    sponsor, other = await add_sponsor(connection), await add_sponsor(connection)
    gala, fair = await add_event(connection), await add_event(connection)
    facts = [
        writer.about(*named, minute=-years * YEAR)
        for years in (0, 3, 20)
        for named in ((sponsor, gala), (other, fair), (other, None))
    ]
    async with bench(database_url, writer.handler(), service=writer.service, topic=writer.topic) as it:
        await it.process(writer.batch(0, *facts))
    await connection.execute(f"DELETE FROM {table} WHERE id = ANY ($1)", [sponsor, gala])  # noqa: S608

    assert await connection.fetchval(writer.left) == 6
    assert await connection.fetchval(writer.orphans) == 0


@pytest.mark.proves(28)
@by_either
@of_either
async def test_a_deletion_waits_for_the_batch_that_refers_to_the_row_and_takes_what_it_wrote(
    connection: Connection, database_url: str, writer: Writer, table: str
) -> None:
    ids = {"sponsors": await add_sponsor(connection), "events": await add_event(connection)}
    held = Held(writer.handler())
    async with bench(database_url, held, service=writer.service, topic=writer.topic) as it:
        batch_at_work = asyncio.create_task(it.process(writer.batch(0, writer.about(*ids.values()))))
        await held.reached.wait()
        await delete_meanwhile(connection, database_url, table, ids[table], held, batch_at_work)

    assert await connection.fetchval(writer.left) == 0


@pytest.mark.proves(28)
@of_either
async def test_it_waits_as_well_where_only_an_older_fact_of_the_message_named_the_row(
    connection: Connection, database_url: str, table: str
) -> None:
    ids = {"sponsors": await add_sponsor(connection), "events": await add_event(connection)}
    held = Held(EmailEngagement())
    async with bench(database_url, held, service=MAIL.service, topic=MAIL.topic) as it:
        held.go.set()
        await it.process(MAIL.batch(0, MAIL.about(*ids.values(), fact="delivered", message_id="m")))
        held.go.clear()
        held.reached.clear()
        batch_at_work = asyncio.create_task(it.process(MAIL.batch(1, MAIL.about(None, message_id="m"))))
        await held.reached.wait()
        assert await connection.fetchval(MAIL.left) == 0
        await delete_meanwhile(connection, database_url, table, ids[table], held, batch_at_work)

    assert await connection.fetchval(MAIL.left) == 0
    assert await stored(connection, MAIL.service) == {0: (2, 2, 0, 0)}


async def delete_meanwhile(
    observer: Connection, database_url: str, table: str, id_: str, held: Held, batch_at_work: asyncio.Task[Any]
) -> None:
    """Delete a row while a batch is held; see the deletion wait, then let both end."""
    deleter = await connect(database_url)
    await deleter.execute("SET application_name TO deleter")
    deletion = asyncio.create_task(deleter.execute(f"DELETE FROM {table} WHERE id = $1", id_))  # noqa: S608
    await until_blocked(observer, "deleter", batch_at_work, deletion)
    held.go.set()
    await asyncio.gather(batch_at_work, deletion)
    await deleter.close()


@pytest.mark.proves(28)
@by_either
@of_either
async def test_a_batch_waits_for_the_deletion_of_a_row_that_it_refers_to_and_is_refused(
    connection: Connection, database_url: str, writer: Writer, table: str
) -> None:
    ids = {"sponsors": await add_sponsor(connection), "events": await add_event(connection)}
    async with bench(database_url, writer.handler(), service=writer.service, topic=writer.topic) as it:
        async with connection.transaction():
            await connection.execute(f"DELETE FROM {table} WHERE id = $1", ids[table])  # noqa: S608
            batch_at_work = asyncio.create_task(it.process(writer.batch(0, writer.about(*ids.values()))))
            await until_blocked(connection, f"eventos-{writer.service}", batch_at_work)
        await batch_at_work

    assert await connection.fetchval(writer.left) == 0
    assert await stored(connection, writer.service) == {0: (1, 0, 0, 1)}


@pytest.mark.proves(28)
@of_either
async def test_where_only_an_older_fact_named_the_row_the_batch_waits_writes_no_activity_and_tells_of_none(
    connection: Connection, database_url: str, table: str
) -> None:
    """Its neighbour, about others, is written and told."""
    ids = {"sponsors": await add_sponsor(connection), "events": await add_event(connection)}
    others = await add_sponsor(connection), await add_event(connection)
    async with bench(database_url, EmailEngagement(), service=MAIL.service, topic=MAIL.topic) as it:
        await it.process(MAIL.batch(0, MAIL.about(*ids.values(), fact="delivered", message_id="m")))
        async with connection.transaction():
            await connection.execute(f"DELETE FROM {table} WHERE id = $1", ids[table])  # noqa: S608
            facts = MAIL.about(None, message_id="m"), MAIL.about(*others)
            batch_at_work = asyncio.create_task(it.process(MAIL.batch(1, *facts)))
            await until_blocked(connection, f"eventos-{MAIL.service}", batch_at_work)
        await batch_at_work
        assert it.count("eventos_database_retries_total", kind="ForeignKeyViolationError") == 0

    assert await connection.fetchval(MAIL.left) == 1
    assert await connection.fetchval(MAIL.orphans) == 0
    assert await connection.fetchval("SELECT count(*) FROM outbox WHERE aggregatetype = 'agent-activities'") == 1
    assert await stored(connection, MAIL.service) == {0: (3, 3, 0, 0)}


async def test_no_key_to_sponsors_or_events_is_tested_in_any_month_but_the_catalogue_has_all(
    connection: Connection,
) -> None:
    """Also in a month that is made now."""
    await connection.execute("SELECT ensure_sales_activity_months('2050-01-01', '2050-01-01')")
    keys = await connection.fetch(
        """
        WITH activities (id) AS (
            SELECT unnest('{sponsor_activities, agent_sales_activities}'::regclass[])
            UNION ALL SELECT inhrelid FROM pg_inherits WHERE inhparent = 'agent_sales_activities'::regclass
        )
        SELECT activities.id::regclass::text, array_agg(conenforced)
        FROM activities
        LEFT JOIN pg_constraint ON conrelid = activities.id AND confrelid IN ('sponsors'::regclass, 'events'::regclass)
        GROUP BY activities.id
        """
    )
    assert "agent_sales_activities_2050_01" in dict(keys)
    assert [key for key in keys if key[1] != [False, False]] == []


@of_either
@pytest.mark.parametrize("isolation", ["repeatable_read", "serializable"])
async def test_a_deletion_that_could_leave_some_behind_is_refused(
    connection: Connection, isolation: Literal["repeatable_read", "serializable"], table: str
) -> None:
    ids = {"sponsors": await add_sponsor(connection), "events": await add_event(connection)}
    with pytest.raises(asyncpg.FeatureNotSupportedError, match="READ COMMITTED"):
        async with connection.transaction(isolation=isolation):
            await connection.execute(f"DELETE FROM {table} WHERE id = $1", ids[table])  # noqa: S608


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
