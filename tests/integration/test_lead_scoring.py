"""The view `lead_scores` on a real Postgres, as the service's own role."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from services.runtime.database import Connection
from services.runtime.projection import Key
from tests.support.crm import add_proposal
from tests.support.databases import connect
from tests.support.leads import (
    TODAY,
    count,
    drain,
    engagement_of,
    leads,
    new_pair,
    project,
    start,
    take_marks,
    told,
    turn,
    version_of,
)


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[Connection]:
    """A second connection, for what happens at the same time."""
    opened = await connect(database_url)
    yield opened
    await opened.close(timeout=5)


@pytest.fixture(autouse=True)
async def today(connection: Connection) -> None:
    """Begin the day on which all of these tests begin."""
    await turn(connection, TODAY)


async def test_the_first_count_of_a_pair_makes_a_lead_and_is_told(connection: Connection) -> None:
    sponsor, event = await new_pair(connection)
    await count(connection, sponsor, event, "enquiry_submitted")

    derived = await drain(connection)

    ((pair, row),) = (await leads(connection)).items()
    assert pair == (sponsor, event)
    assert (row["score"], row["priority"], row["conversion_probability"]) == (33, "nurture", Decimal("0.12"))
    assert row["recommended_actions"] == '["enrol_in_follow_up_sequence"]'
    assert row["why"]["groups"]["intent"] == 25_000
    assert row["why"]["as_of"] == "2026-11-01"
    ((key, data),) = told(derived).items()
    assert (key, data["score"], data["previous_score"]) == (f"{sponsor}:{event}", 33, None)


async def test_a_lead_that_is_made_again_has_the_same_id(connection: Connection) -> None:
    sponsor, event = await new_pair(connection)
    ids = []
    for _ in range(2):
        await count(connection, sponsor, event, "email_replied")
        await drain(connection)
        ids.append((await leads(connection))[sponsor, event]["id"])
        await connection.execute("DELETE FROM sponsor_lead_scores")
    assert ids[0] == ids[1]


async def test_a_score_that_moves_is_told_with_what_it_was(connection: Connection) -> None:
    sponsor, event = await new_pair(connection)
    await count(connection, sponsor, event, "enquiry_submitted")
    await drain(connection)
    await count(connection, sponsor, event, "intent_letter_received")

    ((_, data),) = told(await drain(connection)).items()

    assert (data["score"], data["priority"], data["engagement"]) == (46, "nurture", 50)
    assert (data["previous_score"], data["previous_priority"]) == (33, "nurture")
    assert (await leads(connection))[sponsor, event]["score"] == 46


async def test_what_did_not_change_is_neither_written_nor_told(connection: Connection) -> None:
    sponsor, event = await new_pair(connection)
    await count(connection, sponsor, event, "website_visited")
    await drain(connection)
    before = await version_of(connection, sponsor)

    await count(connection, sponsor, event, "website_visited")  # the same day counts once

    assert await drain(connection) == []
    assert await version_of(connection, sponsor) == before


async def test_a_reason_that_changed_is_written_though_the_score_is_the_same(connection: Connection) -> None:
    sponsor, event = await new_pair(connection)
    await count(connection, sponsor, event, "enquiry_submitted", 2)
    await drain(connection)
    await count(connection, sponsor, event, "meeting_held")  # the group was at its cap

    assert await drain(connection) == []

    factors = (await leads(connection))[sponsor, event]["why"]["top_factors"]
    assert [it["signal"] for it in factors] == ["enquiry_submitted", "meeting_held"]


async def test_a_pair_whose_last_count_goes_is_deleted_and_leaves_a_tombstone(connection: Connection) -> None:
    sponsor, event = await new_pair(connection)
    await count(connection, sponsor, event, "ticket_order")
    await drain(connection)
    assert await engagement_of(connection, sponsor) == 8
    await count(connection, sponsor, event, "ticket_order", -1)

    derived = await drain(connection)

    assert told(derived) == {f"{sponsor}:{event}": None}
    assert [it.type for it in derived] == [None]
    assert await leads(connection) == {}
    assert await engagement_of(connection, sponsor) == 0
    assert await project(connection, Key("pair", sponsor, event), Key("sponsor", sponsor)) == []


async def test_counts_about_no_event_move_the_sponsors_engagement_only(connection: Connection) -> None:
    sponsor, event = await new_pair(connection)
    await count(connection, sponsor, event, "website_visited", 3)
    await count(connection, sponsor, None, "website_visited")
    await count(connection, sponsor, None, "meeting_booked")

    await drain(connection)

    assert {pair: row["why"]["engagement"] for pair, row in (await leads(connection)).items()} == {(sponsor, event): 1}
    assert await engagement_of(connection, sponsor) == 21


async def test_only_the_pair_that_is_stale_is_scored_and_all_of_a_sponsor_that_is(connection: Connection) -> None:
    sponsor, first = await new_pair(connection)
    _, second = await new_pair(connection)
    await count(connection, sponsor, first, "email_replied")
    await count(connection, sponsor, second, "email_replied")
    await take_marks(connection)

    assert told(await project(connection, Key("pair", sponsor, first))).keys() == {f"{sponsor}:{first}"}
    assert told(await project(connection, Key("sponsor", sponsor))).keys() == {f"{sponsor}:{second}"}
    assert (await leads(connection)).keys() == {(sponsor, first), (sponsor, second)}


async def test_marks_of_several_kinds_on_a_pair_are_one_computation(connection: Connection) -> None:
    sponsor, event = await new_pair(connection)
    await count(connection, sponsor, event, "email_replied")

    derived = await project(connection, Key("pair", sponsor, event), Key("pair", sponsor), Key("sponsor", sponsor))

    assert told(derived).keys() == {f"{sponsor}:{event}"}


async def test_more_sponsors_than_fit_in_memory_are_taken_in_parts(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.lead_scoring.app.SPONSORS_AT_ONCE", 2)
    pairs = [await new_pair(connection) for _ in range(5)]
    for pair in pairs:
        await count(connection, *pair, "email_replied")

    assert told(await drain(connection)).keys() == {":".join(pair) for pair in pairs}
    assert (await leads(connection)).keys() == set(pairs)


async def test_a_closed_gate_shows_in_all_pairs_of_the_sponsor(connection: Connection) -> None:
    sponsor, first = await new_pair(connection)
    _, second = await new_pair(connection)
    for event in (first, second):
        await count(connection, sponsor, event, "enquiry_submitted")
    await drain(connection)
    await count(connection, sponsor, None, "email_unsubscribed")
    await take_marks(connection)

    await project(connection, Key("pair", sponsor), Key("sponsor", sponsor))  # as email_engagement marks it

    assert [(row["why"]["do_not_email"], row["recommended_actions"]) for row in (await leads(connection)).values()] == [
        (True, '["contact_by_phone_only"]')
    ] * 2


async def test_a_sponsor_or_an_event_without_a_row_is_no_lead_and_no_failure(connection: Connection) -> None:
    sponsor, event = await new_pair(connection)
    await count(connection, sponsor, str(uuid4()), "email_replied")
    await count(connection, str(uuid4()), event, "email_replied")

    assert await drain(connection) == []
    assert await leads(connection) == {}
    assert await engagement_of(connection, sponsor) == 12


@pytest.mark.parametrize("table", ["sponsors", "events"])
@pytest.mark.parametrize("scored", [False, True], ids=["at first", "again"])
async def test_a_lead_that_is_deleted_while_it_is_scored_is_no_failure_and_is_not_told_of(
    connection: Connection, other: Connection, table: str, *, scored: bool
) -> None:
    """What would be told would come behind its tombstone, and stay in the compacted topic for good."""
    sponsor, event = await new_pair(connection)
    await count(connection, sponsor, event, "email_replied")
    if scored:
        await drain(connection)
        await count(connection, sponsor, event, "meeting_booked", n=3)
    async with other.transaction():
        await other.execute(f"DELETE FROM {table} WHERE id = ANY ($1::uuid[])", [sponsor, event])  # noqa: S608
        scoring = await start(other, connection, drain(connection))
    told = await scoring
    assert await leads(connection) == {}
    assert [derived for derived in told if derived.data is not None] == []


async def test_the_newest_proposal_decides_whether_the_budget_fits(connection: Connection) -> None:
    sponsor, event = await new_pair(connection)
    await connection.execute("UPDATE sponsors SET max_budget = 100 WHERE id = $1", sponsor)
    await count(connection, sponsor, event, "email_replied")
    ids = [str(uuid4()) for _ in range(3)]
    for (day, amount), proposal in zip([(2, 50), (2, 500), (1, 50)], [*sorted(ids[:2]), ids[2]], strict=True):
        await add_proposal(connection, sponsor, event, proposal)
        await connection.execute(
            "UPDATE sponsor_proposals SET proposed_amount = $2, created_at = $3 WHERE id = $1",
            proposal, Decimal(amount), TODAY + timedelta(days=day),
        )  # fmt: skip

    await drain(connection)
    assert (await leads(connection))[sponsor, event]["why"]["fit"] == 32

    await connection.execute("DELETE FROM sponsor_proposals WHERE proposed_amount = 500")
    await drain(connection)
    assert (await leads(connection))[sponsor, event]["why"]["fit"] == 52


@pytest.mark.parametrize(
    ("one", "other_one", "points"),
    [([1, 1], [1, 1], 5), ([1, 1, 0], [1, 0, 1], 3), ([1], [-1], 0), ([0], [1], 0), ([1], None, 2)],
)
async def test_similarity_is_that_of_both_embeddings(
    connection: Connection, one: list[int], other_one: list[int] | None, points: int
) -> None:
    sponsor, event = await new_pair(connection)
    await count(connection, sponsor, event, "email_replied")
    await connection.execute(
        "INSERT INTO sponsor_embeddings (sponsor_id, embedding, model, model_version)"
        " VALUES ($1, $2::text::vector, 'hash', '1')",
        sponsor, vector(one),
    )  # fmt: skip
    if other_one is not None:
        await connection.execute(
            "UPDATE events SET embedding = $2::text::vector WHERE id = $1", event, vector(other_one)
        )

    await drain(connection)

    assert (await leads(connection))[sponsor, event]["why"]["fit"] == 40 + points


def vector(start: list[int]) -> str:
    """A vector of 1,536 dimensions, as text."""
    return str([*start, *[0] * (1536 - len(start))])
