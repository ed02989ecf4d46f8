"""Scripted interleavings of lead scoring: events that change, and days that turn, while pairs are being scored."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta

import pytest
from pydantic import SecretStr

from services.lead_scoring.app import build
from services.runtime.database import Connection, connect_pool
from services.runtime.health import Pulse
from services.runtime.metrics import ServiceMetrics
from services.runtime.projection import Key, Projection
from services.runtime.service import Tools
from services.runtime.settings import ConfigurationError, Settings
from tests.support.crm import add_event, add_sponsor
from tests.support.databases import connect
from tests.support.leads import (
    RULES,
    TODAY,
    VIEW,
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
)

pytestmark = pytest.mark.proves(28)

TOMORROW = TODAY + timedelta(days=1)


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[Connection]:
    """A second connection, for what happens at the same time."""
    opened = await connect(database_url)
    yield opened
    await opened.close(timeout=5)


@pytest.fixture
async def third(database_url: str) -> AsyncIterator[Connection]:
    """A third one."""
    opened = await connect(database_url)
    yield opened
    await opened.close(timeout=5)


@pytest.fixture
async def today(connection: Connection) -> None:
    """Begin the day on which these tests begin."""
    await turn(connection, TODAY)


@pytest.mark.usefixtures("today")
async def test_an_events_mark_becomes_marks_of_its_pairs_in_the_shards_of_their_sponsors(
    connection: Connection,
) -> None:
    event = await add_event(connection)
    sponsors = [await add_sponsor(connection) for _ in range(4)]
    for sponsor in sponsors:
        await count(connection, sponsor, event, "email_replied")
        await count(connection, sponsor, event, "email_opened")
        await count(connection, sponsor, None, "email_opened")
    await count(connection, sponsors[0], event, "email_replied", -1)
    await count(connection, sponsors[0], event, "email_opened", -1)
    await take_marks(connection)

    assert await project(connection, Key("event", event)) == []

    rows = await connection.fetch(
        "SELECT key::text, other::text, shard = shard_of(key), priority, kind FROM stale_marks"
        " WHERE projection = 'lead_scores'"
    )
    assert sorted(tuple(row) for row in rows) == sorted((sponsor, event, True, 0, "pair") for sponsor in sponsors[1:])


@pytest.mark.usefixtures("today")
async def test_a_pair_whose_first_score_is_being_written_hears_of_its_event_that_changed(
    connection: Connection, other: Connection
) -> None:
    sponsor, event = await new_pair(connection)
    await connection.execute("UPDATE sponsors SET event_types = '{expo}' WHERE id = $1", sponsor)
    await count(connection, sponsor, event, "email_replied")
    keys = await take_marks(connection)

    async with connection.transaction():
        await project(connection, *keys)  # with the event as it was: a gala
        await other.execute("UPDATE events SET event_type = 'expo' WHERE id = $1", event)
        assert await leads(other) == {}  # what a fan-out by rows would look at
        await project(other, *await take_marks(other))
    assert (await leads(connection))[sponsor, event]["why"]["fit"] == 32

    await drain(connection)
    assert (await leads(connection))[sponsor, event]["why"]["fit"] == 52


@pytest.mark.usefixtures("today")
async def test_a_pair_whose_first_count_commits_after_the_events_mark_was_taken_has_one_of_its_own(
    connection: Connection, other: Connection
) -> None:
    sponsor, event = await new_pair(connection)
    await connection.execute("UPDATE sponsors SET event_types = '{expo}' WHERE id = $1", sponsor)
    await drain(connection)

    async with other.transaction():
        await count(other, sponsor, event, "email_replied")
        await connection.execute("UPDATE events SET event_type = 'expo' WHERE id = $1", event)
        assert await drain(connection) == []

    await drain(connection)
    assert (await leads(connection))[sponsor, event]["why"]["fit"] == 52


@pytest.mark.usefixtures("today")
async def test_a_sponsor_whose_row_the_crm_holds_holds_up_nobody_and_is_scored_again_once_it_is_free(
    connection: Connection, other: Connection, database_url: str
) -> None:
    (held, event), free = await new_pair(connection), await add_sponsor(connection)
    for sponsor in (held, free):
        await count(connection, sponsor, event, "email_replied")

    async with projecting(database_url) as projection:
        async with other.transaction():
            await other.execute("UPDATE sponsors SET company_name = 'Held' WHERE id = $1", held)
            for _ in "12":
                await projection.sweep()
                assert await parked(connection) == [(held, "its row is held by another transaction", 1)]
                await count(connection, held, event, "email_replied")
            assert (await leads(connection)).keys() == {(held, event), (free, event)}
            assert await engagement_of(connection, held) == 0 < await engagement_of(connection, free)
            await projection.sweep()
        await connection.execute("UPDATE parked_keys SET retry_at = now()")
        await projection.sweep()
    assert await engagement_of(connection, held) > await engagement_of(connection, free)
    assert await parked(connection) == []


async def parked(connection: Connection) -> list[tuple[str, str, int]]:
    """The sponsors that are parked, why, and how often they were tried."""
    rows = await connection.fetch("SELECT key::text, error, attempts FROM parked_keys WHERE kind = 'sponsor'")
    return [tuple(row) for row in rows]


@asynccontextmanager
async def projecting(database_url: str) -> AsyncIterator[Projection]:
    """The view as the service's process keeps it."""
    settings = Settings(kafka_bootstrap_servers="unused:9092", database_url=SecretStr(database_url))
    pool = await connect_pool(settings, "lead_scoring")
    yield Projection(VIEW, "lead_scoring", pool, settings, ServiceMetrics("lead_scoring"), Pulse(60))
    pool.terminate()


async def marked(connection: Connection) -> list[tuple[str, str, int]]:
    """The marks of the view as (kind, key, priority), taken."""
    rows = await connection.fetch(
        "DELETE FROM stale_marks WHERE projection = 'lead_scores' RETURNING kind, key::text, priority"
    )
    return sorted(tuple(row) for row in rows)


async def as_of(connection: Connection) -> set[str]:
    """The days as of which the leads stand."""
    return {row["why"]["as_of"] for row in (await leads(connection)).values()}


async def test_without_a_day_nothing_is_scored_at_all(connection: Connection) -> None:
    sponsor, event = await new_pair(connection)
    await count(connection, sponsor, event, "email_replied")
    with pytest.raises(LookupError, match="as_of"):
        await drain(connection)


async def test_a_new_day_marks_every_sponsor_with_a_count_in_the_background(connection: Connection) -> None:
    (sponsor, event), (withdrawn, _), (loner, _), _ = [await new_pair(connection) for _ in range(4)]
    await count(connection, sponsor, event, "email_replied")
    await count(connection, sponsor, event, "meeting_missed")
    await count(connection, withdrawn, event, "ticket_order")
    await count(connection, withdrawn, event, "ticket_order", -1)
    await count(connection, loner, None, "email_complained")
    await take_marks(connection)

    assert await turn(connection, TODAY)

    assert await marked(connection) == sorted(("sponsor", key, 1) for key in (sponsor, loner))


async def test_a_lead_held_down_at_0_climbs_as_days_pass(connection: Connection) -> None:
    await turn(connection, TODAY)
    sponsor, event = await new_pair(connection)
    await count(connection, sponsor, event, "intent_letter_received", 2)
    await count(connection, sponsor, event, "meeting_missed", 6)
    await drain(connection)
    assert (await leads(connection))[sponsor, event]["why"]["engagement"] == 0
    assert await engagement_of(connection, sponsor) == 0

    await turn(connection, TODAY + timedelta(days=30))
    derived = await drain(connection)

    assert (await leads(connection))[sponsor, event]["why"]["engagement"] == 19
    assert await engagement_of(connection, sponsor) == 19
    ((_, data),) = told(derived).items()
    assert (data["previous_score"], data["score"], data["as_of"]) == (19, 29, "2026-12-01")


@pytest.mark.parametrize(
    ("day", "fixed", "moves"),
    [
        (TODAY, False, False),
        (TODAY, True, False),
        (TOMORROW, False, True),
        (TOMORROW, True, True),
        (date(2026, 10, 1), False, False),
        (date(2026, 10, 1), True, True),
    ],
)
async def test_a_day_begins_once_and_only_a_fixed_one_goes_back(
    connection: Connection, day: date, fixed: bool, moves: bool
) -> None:
    assert await turn(connection, TODAY)
    sponsor, event = await new_pair(connection)
    await count(connection, sponsor, event, "email_replied")
    await drain(connection)

    assert await turn(connection, day, fixed=fixed) is moves

    assert bool(await drain(connection)) is False or moves
    assert await as_of(connection) == {(day if moves else TODAY).isoformat()}


async def test_a_new_version_of_the_rules_marks_all_that_is_scored_and_an_older_one_is_refused(
    connection: Connection,
) -> None:
    newer = RULES.model_copy(update={"version": RULES.version + 1})
    await turn(connection, TODAY)
    sponsor, event = await new_pair(connection)
    await count(connection, sponsor, event, "email_replied")
    await drain(connection)

    assert await turn(connection, TODAY, rules=newer)
    assert await marked(connection) == [("sponsor", sponsor, 1)]
    assert not await turn(connection, TODAY, rules=newer)
    with pytest.raises(ConfigurationError, match="version 1 is older than 2"):
        await turn(connection, TOMORROW)


async def test_of_two_replicas_that_begin_a_day_at_once_one_marks(
    connection: Connection, other: Connection, third: Connection
) -> None:
    await turn(connection, TODAY)
    sponsor, event = await new_pair(connection)
    await count(connection, sponsor, event, "email_replied")
    await take_marks(connection)

    async with connection.transaction():
        assert await turn(connection, TOMORROW)
        second = await start(third, other, turn(other, TOMORROW))
    assert await second is False
    assert await marked(connection) == [("sponsor", sponsor, 1)]


async def test_a_pair_that_the_turn_does_not_see_yet_is_scored_as_of_the_new_day(
    connection: Connection, other: Connection, third: Connection
) -> None:
    await turn(connection, TODAY)
    sponsor, event = await new_pair(connection)

    async with connection.transaction():
        await turn(connection, TOMORROW)  # looks at counts: there is none
        await count(third, sponsor, event, "email_replied")
        keys = await take_marks(third)
        scoring = await start(third, other, project(other, *keys))
    await scoring

    assert await as_of(connection) == {TOMORROW.isoformat()}
    assert await marked(connection) == []


async def test_a_round_under_way_as_of_the_old_day_ends_before_the_turn_looks_at_counts(
    connection: Connection, other: Connection, third: Connection
) -> None:
    await turn(connection, TODAY)
    sponsor, event = await new_pair(connection)
    await count(third, sponsor, event, "email_replied")
    keys = await take_marks(third)

    async with connection.transaction():
        await project(connection, *keys)
        turning = await start(third, other, turn(other, TOMORROW))
    assert await turning

    assert await as_of(connection) == {TODAY.isoformat()}
    await drain(connection)
    assert await as_of(connection) == {TOMORROW.isoformat()}


async def test_the_service_begins_the_day_before_it_scores_anything(connection: Connection, database_url: str) -> None:
    settings = Settings(kafka_bootstrap_servers="none:1", database_url=SecretStr(database_url), as_of=TODAY)
    pool = await connect_pool(settings, "lead_scoring")
    try:
        parts = await build(Tools(settings, pool, ServiceMetrics("lead_scoring"), Pulse(60)))
    finally:
        await pool.close()
    assert [view.name for view in parts.views] == ["lead_scores"]
    assert await connection.fetchval("SELECT value #>> '{}' FROM control WHERE name = 'as_of'") == "2026-11-01"


async def test_a_turn_that_comes_again_disturbs_no_round(connection: Connection, other: Connection) -> None:
    await turn(connection, TODAY)
    async with connection.transaction():
        await project(connection)
        assert await turn(other, TODAY) is False
        assert await turn(other, TODAY - timedelta(days=1)) is False
