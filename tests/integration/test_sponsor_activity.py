"""Batches of sponsors' activities, and the view of proposals, on a real Postgres as the service."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.envelope import Event
from services.runtime.database import Connection
from services.runtime.effects import Effects
from services.runtime.projection import Key
from services.sponsor_activity.app import ProposalViews, SponsorActivity
from tests.support.as_service import connected
from tests.support.crm import add_event, add_proposal, add_sponsor
from tests.support.facts import NOON, activity


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Connection]:
    """A connection of the service; `connection` is the owner's, for the rows that are the CRM's."""
    async with connected(database_url, "sponsor_activity") as connection:
        yield connection


async def apply(connection: Connection, *events: Event[Any], shard: int = 0) -> Effects:
    """Apply one batch in a transaction of its own."""
    async with connection.transaction():
        return await SponsorActivity().apply(connection, events, shard)


async def project(connection: Connection, *proposal_ids: str) -> None:
    """Take one round over these proposals."""
    async with connection.transaction():
        keys = [Key("proposal", proposal_id) for proposal_id in proposal_ids]
        assert await ProposalViews().project(connection, keys) == []


async def total_views(connection: Connection, proposal_id: str) -> int | None:
    views: int | None = await connection.fetchval(
        "SELECT total_views FROM sponsor_proposals WHERE id = $1", proposal_id
    )
    return views


async def test_an_activity_is_a_row_with_the_time_and_an_id_of_its_event(
    connection: Connection, service: Connection
) -> None:
    sponsor_id, event_id, proposal_id = (
        await add_sponsor(connection),
        await add_event(connection),
        str(uuid4()),
    )
    full = activity(
        "note_added",
        sponsor_id=sponsor_id,
        event_id=event_id,
        proposal_id=proposal_id,
        metadata={"text": "Grüße 🎟️", "deep": [1, {"x": None}]},
        minute=1,
    )
    bare = activity("website_visited", sponsor_id=sponsor_id)

    await apply(service, full, bare)

    first, second = await service.fetch("SELECT * FROM sponsor_activities ORDER BY created_at DESC")
    assert dict(first) == {
        "id": UUID(full.uuid()),
        "sponsor_id": UUID(sponsor_id),
        "event_id": UUID(event_id),
        "proposal_id": UUID(proposal_id),
        "activity_type": "note_added",
        "metadata": {"text": "Grüße 🎟️", "deep": [1, {"x": None}]},
        "created_at": full.time,
    }
    assert (second["event_id"], second["proposal_id"], second["metadata"]) == (None, None, {})
    assert second["created_at"] == NOON


async def test_each_signature_makes_a_sponsorship_and_leaves_the_sponsor_as_it_is(
    connection: Connection, service: Connection
) -> None:
    sponsor_id, event_id = await add_sponsor(connection), await add_event(connection)
    pair: dict[str, Any] = {"sponsor_id": sponsor_id, "event_id": event_id}
    terms: dict[str, Any] = {"package_level": "gold", "amount": "9999999999.9", "currency": "EUR"}
    before = await connection.fetchrow("SELECT * FROM sponsors")

    for _ in range(2):
        await apply(service, activity("sponsorship_signed", **pair, **terms))

    rows = await connection.fetch("SELECT * FROM sponsorships")
    assert [
        (str(row["sponsor_id"]), str(row["event_id"]), row["package_level"], row["amount"], row["currency"])
        for row in rows
    ] == [(sponsor_id, event_id, "gold", Decimal("9999999999.90"), "EUR")] * 2
    assert {(row["status"], row["signed_at"]) for row in rows} == {("signed", NOON)}
    assert await connection.fetchrow("SELECT * FROM sponsors") == before


async def test_a_proposal_shows_the_views_of_all_shards_whoever_viewed_it(
    connection: Connection, service: Connection
) -> None:
    owner, stranger, event_id = (
        await add_sponsor(connection),
        await add_sponsor(connection),
        await add_event(connection),
    )
    proposal_id = await add_proposal(connection, owner, event_id)
    other_id = await add_proposal(connection, owner, event_id)

    viewed = [activity("proposal_viewed", sponsor_id=who, proposal_id=proposal_id) for who in (owner, owner, stranger)]
    await apply(service, *viewed[:2], shard=3)
    await apply(service, viewed[2], shard=7)
    await project(service, proposal_id, other_id)

    assert await total_views(connection, proposal_id) == 3
    assert await total_views(connection, other_id) == 0


async def test_views_of_a_proposal_that_nobody_knows_yet_show_when_its_row_appears(
    connection: Connection, service: Connection
) -> None:
    sponsor_id, event_id, proposal_id = (
        await add_sponsor(connection),
        await add_event(connection),
        str(uuid4()),
    )
    await apply(service, activity("proposal_viewed", sponsor_id=sponsor_id, proposal_id=proposal_id))
    await project(service, proposal_id)

    await add_proposal(connection, sponsor_id, event_id, proposal_id)

    marks = await connection.fetch("SELECT kind, key::text FROM stale_marks WHERE projection = 'proposal_views'")
    assert [tuple(mark) for mark in marks] == [("proposal", proposal_id)]
    await project(service, proposal_id)
    assert await total_views(connection, proposal_id) == 1


async def test_a_proposal_that_shows_its_views_already_is_not_written(
    connection: Connection, service: Connection
) -> None:
    sponsor_id, event_id = await add_sponsor(connection), await add_event(connection)
    proposal_id = await add_proposal(connection, sponsor_id, event_id)
    await apply(service, activity("proposal_viewed", sponsor_id=sponsor_id, proposal_id=proposal_id))
    await project(service, proposal_id)
    before = await connection.fetchval("SELECT ctid FROM sponsor_proposals")

    await project(service, proposal_id)

    assert await connection.fetchval("SELECT ctid FROM sponsor_proposals") == before


async def test_a_total_that_no_view_accounts_for_is_healed(connection: Connection, service: Connection) -> None:
    proposal_id = await add_proposal(connection, await add_sponsor(connection), await add_event(connection))
    await connection.execute("UPDATE sponsor_proposals SET total_views = 5")

    await project(service, proposal_id)

    assert await total_views(connection, proposal_id) == 0
