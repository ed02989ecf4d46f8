"""The view of campaigns, templates and sequences, on a real Postgres as the service."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from contracts.envelope import Event
from services.email_engagement.app import EmailEngagement, EmailSubjects
from services.runtime.database import Connection
from services.runtime.projection import Key
from tests.support.as_service import connected
from tests.support.crm import add_campaign, add_event, add_sequence, add_sponsor, add_template
from tests.support.databases import connect
from tests.support.facts import email


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Connection]:
    """A connection of the service; `connection` is the owner's, for the rows that are the CRM's."""
    async with connected(database_url, "email_engagement") as connection:
        yield connection


async def apply(connection: Connection, *events: Event[Any], shard: int = 0) -> None:
    """Apply one batch in a transaction of its own."""
    async with connection.transaction():
        await EmailEngagement().apply(connection, events, shard)


async def project(connection: Connection, **ids: str) -> None:
    """Take one round over these subjects."""
    async with connection.transaction():
        assert await EmailSubjects().project(connection, [Key(kind, id_) for kind, id_ in ids.items()]) == []


async def shown(connection: Connection, sequence_id: str) -> tuple[Any, ...]:
    """What a sequence shows: e-mails sent, replies received, status."""
    row = await connection.fetchrow(
        "SELECT emails_sent, replies_received, status FROM follow_up_sequences WHERE id = $1", sequence_id
    )
    assert row is not None
    return tuple(row)


async def marked(connection: Connection) -> set[tuple[str, str]]:
    """The subjects that are marked; the marks are taken."""
    rows = await connection.fetch(
        "DELETE FROM stale_marks WHERE projection = 'email_subjects' RETURNING kind, key::text"
    )
    return {(row["kind"], row["key"]) for row in rows}


async def test_subjects_show_what_was_counted_in_all_shards(connection: Connection, service: Connection) -> None:
    """A message that moves to another campaign is taken off where it was counted, in the shard of the later batch."""
    event_id, sponsor_id = await add_event(connection), await add_sponsor(connection)
    campaign, former = await add_campaign(connection, event_id), await add_campaign(connection, event_id)
    template, sequence = await add_template(connection), await add_sequence(connection, sponsor_id)
    of: dict[str, Any] = {"campaign_id": campaign, "template_id": template, "sequence_id": sequence}
    first = [email("sent", message_id=f"m-{n}", **{**of, "campaign_id": former}) for n in range(3)]
    earlier = email("sent", message_id="m-0", minute=-1, **of)

    await apply(service, *first, email("opened", message_id="m-1"), email("opened", message_id="m-2", machine=True))
    await apply(service, earlier, email("replied", message_id="m-1"), shard=5)
    await project(service, campaign=campaign, template=template, sequence=sequence)
    await project(service, campaign=former)

    counts = "SELECT emails_sent FROM marketing_campaigns WHERE id = $1"
    assert [await connection.fetchval(counts, id_) for id_ in (campaign, former)] == [1, 2]
    (row,) = await connection.fetch("SELECT sent_count, opened_count FROM email_templates")
    assert tuple(row) == (3, 1)
    assert await shown(connection, sequence) == (3, 1, "replied")


async def test_subjects_without_a_row_are_passed_over_and_show_their_counts_when_it_appears(
    connection: Connection, service: Connection
) -> None:
    event_id, sponsor_id = await add_event(connection), await add_sponsor(connection)
    ids = {kind: str(uuid4()) for kind in ("campaign", "template", "sequence")}
    facts: dict[str, Any] = {f"{kind}_id": id_ for kind, id_ in ids.items()}
    await apply(service, email("sent", **facts), email("unsubscribed"))
    await project(service, **ids)

    await add_campaign(connection, event_id, ids["campaign"])
    await add_template(connection, ids["template"])
    await add_sequence(connection, sponsor_id, ids["sequence"])

    assert await marked(connection) == set(ids.items())
    await project(service, **ids)
    assert await connection.fetchval("SELECT emails_sent FROM marketing_campaigns") == 1
    assert await connection.fetchval("SELECT sent_count FROM email_templates") == 1
    assert await shown(connection, ids["sequence"]) == (1, 0, "stopped")


async def test_a_subject_that_shows_its_counts_already_is_not_written_and_marks_nothing(
    connection: Connection, service: Connection
) -> None:
    event_id, sponsor_id = await add_event(connection), await add_sponsor(connection)
    ids = {
        "campaign": await add_campaign(connection, event_id),
        "template": await add_template(connection),
        "sequence": await add_sequence(connection, sponsor_id),
    }
    facts: dict[str, Any] = {f"{kind}_id": id_ for kind, id_ in ids.items()}
    await apply(service, email("replied", **facts), email("sent"))
    await marked(connection)
    await project(service, **ids)
    rows = (
        "SELECT ctid FROM marketing_campaigns UNION ALL SELECT ctid FROM email_templates"
        " UNION ALL SELECT ctid FROM follow_up_sequences"
    )
    before = await connection.fetch(rows)

    await project(service, **ids)

    assert await connection.fetch(rows) == before
    assert await marked(connection) == set()


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ([email("sent")], "paused"),
        ([email("bounced", bounce_kind="soft")], "paused"),
        ([email("replied")], "replied"),
        ([email("bounced", bounce_kind="hard")], "stopped"),
        ([email("replied"), email("complained")], "stopped"),
        ([email("replied"), email("unsubscribed", message_id="m-2")], "stopped"),
    ],
    ids=["sent", "soft bounce", "reply", "hard bounce", "reply and complaint", "reply, and another unsubscribed"],
)
async def test_a_sequence_is_stopped_else_replied_else_as_its_owner_says(
    connection: Connection, service: Connection, facts: list[Event[Any]], status: str
) -> None:
    sequence = await add_sequence(connection, await add_sponsor(connection), status="paused")
    belonging = [email("delivered", message_id=id_, sequence_id=sequence) for id_ in ("m-1", "m-2")]

    await apply(service, *belonging, *facts)
    await project(service, sequence=sequence)

    assert (await shown(connection, sequence))[2] == status


async def test_when_its_evidence_moves_away_a_sequence_returns_to_what_its_owner_last_said(
    connection: Connection, service: Connection
) -> None:
    sequence = await add_sequence(connection, await add_sponsor(connection))
    await apply(service, email("replied", sequence_id=sequence))
    await project(service, sequence=sequence)
    await marked(connection)
    await connection.execute("UPDATE follow_up_sequences SET status = 'completed'")

    assert await marked(connection) == {("sequence", sequence)}
    await project(service, sequence=sequence)
    assert await shown(connection, sequence) == (0, 1, "replied")

    await apply(service, email("delivered", sequence_id=str(uuid4()), minute=-1))
    await project(service, sequence=sequence)
    assert await shown(connection, sequence) == (0, 0, "completed")


@pytest.mark.parametrize(("fact", "status"), [(email("sent"), "paused"), (email("replied"), "replied")])
async def test_an_owner_who_changes_the_status_meanwhile_is_waited_for_and_heeded(
    connection: Connection, service: Connection, database_url: str, fact: Event[Any], status: str
) -> None:
    sequence = await add_sequence(connection, await add_sponsor(connection))
    await apply(service, fact, email("delivered", sequence_id=sequence))
    owner = await connect(database_url)
    async with owner.transaction():
        await owner.execute("UPDATE follow_up_sequences SET status = 'paused'")
        waiting = asyncio.create_task(project(service, sequence=sequence))
        while not await connection.fetchval("SELECT pg_blocking_pids($1) <> '{}'", service.get_server_pid()):
            pass
    await waiting
    await owner.close()

    row = await connection.fetchrow("SELECT status, owner_status FROM follow_up_sequences")
    assert row is not None
    assert tuple(row) == (status, "paused")
