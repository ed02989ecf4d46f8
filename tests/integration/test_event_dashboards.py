"""The view `dashboards` and its history, on a real Postgres, as the service's own role."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import pytest

from services.event_dashboards import store
from services.event_dashboards.app import Dashboards, keep_owed_snapshots
from services.runtime.database import SEARCH_PATH, Connection
from services.runtime.effects import Derived
from services.runtime.projection import Key

pytestmark = pytest.mark.integration

NOON = datetime(2026, 9, 9, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
NEVER = "00000000-0000-4000-8000-000000000000"


async def add_event(connection: Connection, *, currency: str = "EUR", capacity: int | None = None) -> str:
    """Insert an event and its organiser, and return the event's id."""
    event_id = str(uuid4())
    await connection.execute(
        "WITH organiser AS (INSERT INTO auth.users (id) VALUES (gen_random_uuid()) RETURNING id)"
        " INSERT INTO events (id, organizer_id, title, event_type, currency, capacity)"
        " SELECT $1, id, 'Gala', 'gala', $2, $3 FROM organiser",
        event_id,
        currency,
        capacity,
    )
    return event_id


async def count(
    connection: Connection, event_id: str, metric: str, n: int, *, label: str = "", shard: int = 0
) -> None:
    """Add `n` to a counter of the event, as an intake service would."""
    service = {"activities": "sponsor_activity", "sent": "email_engagement"}.get(metric, "ticket_sales")
    await connection.execute(
        "INSERT INTO event_counters AS c (service, event_id, metric, label, shard, n, first_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (event_id, metric, label, shard, service)"
        " DO UPDATE SET n = c.n + excluded.n, first_at = least(c.first_at, excluded.first_at)",
        service,
        event_id,
        metric,
        label,
        shard,
        n,
        NOON - timedelta(hours=shard) if metric == "views" else None,
    )


async def view_pages(connection: Connection, event_id: str, n: int, *, shard: int = 0) -> None:
    """Let `n` pages of the event be viewed."""
    await count(connection, event_id, "ticketing_facts", n, shard=shard)
    await count(connection, event_id, "views", n, shard=shard)


async def sell(connection: Connection, event_id: str, order_id: str, quantity: int, cents: int) -> None:
    """Complete an order in euros; a negative quantity takes an earlier one of the same size back, whole."""
    sign = 1 if quantity > 0 else -1
    await count(connection, event_id, "ticketing_facts", 1)
    await count(connection, event_id, "orders", sign)
    await count(connection, event_id, "tickets", quantity)
    await count(connection, event_id, "net_revenue", sign * cents, label="EUR")
    if sign > 0:
        await count(connection, event_id, "completed_orders", 1, label="EUR")
        await count(connection, event_id, "gross_revenue", cents, label="EUR")
    await connection.execute(
        "INSERT INTO ticket_orders (event_id, order_id, completed_at, net_quantity) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (event_id, order_id) DO UPDATE SET net_quantity = excluded.net_quantity",
        event_id,
        order_id,
        NOON + MINUTE * quantity,
        max(quantity, 0),
    )


async def project(connection: Connection, now: datetime, *event_ids: str) -> list[Derived]:
    """Take one round over these events at `now`, with the rights of the service."""
    async with connection.transaction():
        await connection.execute("SET LOCAL ROLE eventos_event_dashboards")
        return await Dashboards(lambda: now).project(connection, [Key("event", it, None) for it in event_ids])


async def row_of(connection: Connection, event_id: str) -> asyncpg.Record | None:
    return await connection.fetchrow("SELECT * FROM event_dashboards WHERE event_id = $1", event_id)


async def snapshots_of(connection: Connection, event_id: str) -> list[tuple[str, datetime, int]]:
    """All snapshots of the event as (type, bucket, views), in the order of their buckets."""
    return [
        (row["snapshot_type"], row["bucket"], row["metrics_snapshot"]["total_views"])
        for row in await connection.fetch(
            "SELECT * FROM dashboard_metrics_snapshots WHERE event_id = $1 ORDER BY bucket, snapshot_type",
            event_id,
        )
    ]


def told(derived: Sequence[Derived]) -> list[tuple[str, Any]]:
    """What is told, as (short type, data)."""
    return [
        (
            str(it.type).removeprefix("eventos.dashboard.").removesuffix(".v1"),
            orjson.loads(it.data or b"null"),
        )
        for it in derived
    ]


async def test_a_dashboard_is_made_from_counters_and_told(connection: Connection) -> None:
    event_id = await add_event(connection)
    await view_pages(connection, event_id, 4)
    await sell(connection, event_id, "a", 2, 1999)
    await count(connection, event_id, "sent", 3)
    await count(connection, event_id, "activities", 1, label="note_added")

    derived = await project(connection, NOON, event_id)

    assert {(it.topic, it.key) for it in derived} == {("dashboard-updates", event_id)}
    (kind, data), milestone = told(derived)
    assert (kind, data["event_id"], data["removed"]) == ("updated", event_id, False)
    assert (data["total_revenue"], data["currency"], data["conversion_rate"]) == ("19.99", "EUR", "0.2500")
    assert milestone[0] == "milestone_reached"
    row = await row_of(connection, event_id)
    assert row is not None
    assert row["metrics"] == data["metrics"]
    assert row["metrics"]["gross_revenue"] == {"EUR": "19.99"}
    assert (row["marketing_metrics"], row["engagement_metrics"]) == ({"sent": 3}, {"note_added": 1})
    assert (row["first_view_at"], row["first_sale_at"]) == (NOON, NOON + 2 * MINUTE)
    assert row["last_updated_at"] == NOON
    assert row["organizer_id"] == await connection.fetchval(
        "SELECT organizer_id FROM events WHERE id = $1", event_id
    )


async def test_a_dashboard_that_stays_the_same_is_neither_written_nor_told(connection: Connection) -> None:
    event_id = await add_event(connection)
    await view_pages(connection, event_id, 1)
    await sell(connection, event_id, "a", 2, 1999)
    await project(connection, NOON, event_id)
    before = await connection.fetchval("SELECT xmin FROM event_dashboards WHERE event_id = $1", event_id)

    assert await project(connection, NOON + HOUR, event_id) == []

    after = await connection.fetchval("SELECT xmin FROM event_dashboards WHERE event_id = $1", event_id)
    assert after == before


async def test_each_event_of_a_round_is_told_once(connection: Connection) -> None:
    first, second = [await add_event(connection) for _ in range(2)]
    for event_id in (first, second):
        await view_pages(connection, event_id, 1)

    derived = await project(connection, NOON, first, second, first)

    assert sorted(it.key for it in derived) == sorted([first, second])


async def test_shards_add_up_though_some_are_negative(connection: Connection) -> None:
    event_id = await add_event(connection)
    await view_pages(connection, event_id, 5, shard=1)
    await view_pages(connection, event_id, 2, shard=3)
    await count(connection, event_id, "sent", -1, shard=1)
    await count(connection, event_id, "sent", 3, shard=2)
    await count(connection, event_id, "activities", -1, label="note_added", shard=1)
    await count(connection, event_id, "activities", 1, label="note_added", shard=2)

    await project(connection, NOON, event_id)

    row = await row_of(connection, event_id)
    assert row is not None
    assert (row["total_views"], row["first_view_at"]) == (7, NOON - 3 * HOUR)
    assert (row["marketing_metrics"], row["engagement_metrics"]) == ({"sent": 2}, {})


async def test_a_dashboard_is_removed_when_its_last_fact_moves_away(connection: Connection) -> None:
    event_id = await add_event(connection)
    await count(connection, event_id, "sent", 1, shard=1)
    await project(connection, NOON, event_id)
    await count(connection, event_id, "sent", -1, shard=2)

    ((kind, data),) = told(await project(connection, NOON + HOUR, event_id))

    assert (kind, data["removed"], data["marketing_metrics"]) == ("updated", True, {})
    assert await row_of(connection, event_id) is None
    assert await snapshots_of(connection, event_id) == [("hourly", NOON, 0)]
    assert await project(connection, NOON + HOUR, event_id) == []


async def test_an_event_that_does_not_exist_has_no_dashboard(connection: Connection) -> None:
    await view_pages(connection, NEVER, 1)

    assert await project(connection, NOON, NEVER) == []


async def test_total_revenue_follows_the_currency_of_the_event(connection: Connection) -> None:
    event_id = await add_event(connection, currency="USD")
    await sell(connection, event_id, "a", 2, 1999)
    await project(connection, NOON, event_id)
    await connection.execute("UPDATE events SET currency = 'EUR' WHERE id = $1", event_id)

    ((_, data),) = told(await project(connection, NOON, event_id))

    assert (data["total_revenue"], data["currency"]) == ("19.99", "EUR")


async def test_milestones_are_told_once_though_they_un_happen(connection: Connection) -> None:
    event_id = await add_event(connection, capacity=100)
    reached = []
    for order_id, quantity in [("a", 50), ("a", -50), ("b", 50), ("c", 50)]:
        await sell(connection, event_id, order_id, quantity, 100)
        derived = told(await project(connection, NOON, event_id))
        reached.append([data["milestone"] for kind, data in derived if kind == "milestone_reached"])

    assert reached == [["first_sale", "capacity_50"], [], [], ["capacity_90", "capacity_100"]]


async def test_a_capacity_that_falls_to_what_is_sold_is_a_milestone(connection: Connection) -> None:
    event_id = await add_event(connection)
    await sell(connection, event_id, "a", 50, 100)
    await project(connection, NOON, event_id)
    await connection.execute("UPDATE events SET capacity = 60 WHERE id = $1", event_id)

    ((kind, data),) = told(await project(connection, NOON, event_id))

    assert (kind, data["milestone"], data["total_tickets_sold"], data["capacity"]) == (
        "milestone_reached",
        "capacity_50",
        50,
        60,
    )


async def test_the_first_sale_is_the_earliest_among_orders_that_count_now(connection: Connection) -> None:
    event_id = await add_event(connection)
    await sell(connection, event_id, "a", 1, 100)
    await sell(connection, event_id, "b", 2, 100)
    await project(connection, NOON, event_id)
    await sell(connection, event_id, "a", -1, 100)
    await project(connection, NOON, event_id)

    row = await row_of(connection, event_id)
    assert row is not None
    assert row["first_sale_at"] == NOON + 2 * MINUTE


async def test_a_change_that_comes_before_the_timer_keeps_the_old_figures(connection: Connection) -> None:
    event_id = await add_event(connection)
    await view_pages(connection, event_id, 1)
    await project(connection, NOON, event_id)
    await view_pages(connection, event_id, 1)
    await project(connection, NOON + 59 * MINUTE, event_id)
    await view_pages(connection, event_id, 1)
    await project(connection, NOON + HOUR, event_id)

    await keep_owed_snapshots(connection, NOON + HOUR + MINUTE)

    assert await snapshots_of(connection, event_id) == [("hourly", NOON, 2)]


async def test_the_timer_keeps_each_hour_and_day_of_change_once(connection: Connection) -> None:
    event_id = await add_event(connection)
    await view_pages(connection, event_id, 1)
    await project(connection, NOON, event_id)
    midnight = NOON.replace(hour=0)

    await keep_owed_snapshots(connection, NOON + HOUR - timedelta(microseconds=1))
    assert await snapshots_of(connection, event_id) == []
    await keep_owed_snapshots(connection, NOON + HOUR)
    assert await snapshots_of(connection, event_id) == [("hourly", NOON, 1)]
    for later in (2, 12, 13, 36, 48):
        await keep_owed_snapshots(connection, NOON + later * HOUR)

    assert await snapshots_of(connection, event_id) == [("daily", midnight, 1), ("hourly", NOON, 1)]


async def test_the_timer_goes_through_all_dashboards_page_by_page(connection: Connection) -> None:
    event_ids = [await add_event(connection) for _ in range(5)]
    for event_id in event_ids:
        await view_pages(connection, event_id, 1)
    await project(connection, NOON, *event_ids)

    await keep_owed_snapshots(connection, NOON + HOUR, page=2)

    for event_id in event_ids:
        assert await snapshots_of(connection, event_id) == [("hourly", NOON, 1)]


async def test_a_dashboard_shows_its_latest_snapshots_newest_first(connection: Connection) -> None:
    event_id = await add_event(connection)
    for hour in range(store.LATEST_SNAPSHOTS + 3):
        await view_pages(connection, event_id, 1)
        await project(connection, NOON + hour * HOUR, event_id)

    row = await row_of(connection, event_id)
    assert row is not None
    shown = row["snapshots"]
    assert len(shown) == store.LATEST_SNAPSHOTS
    assert shown[0]["total_views"] == store.LATEST_SNAPSHOTS + 2
    assert [it["total_views"] for it in shown] == sorted((it["total_views"] for it in shown), reverse=True)
    assert [it["snapshot_type"] for it in shown if it["bucket"].startswith("2026-09-09T00")] == ["daily"]


async def test_a_clock_that_is_behind_does_not_set_a_dashboard_back_into_an_hour_that_is_over(
    connection: Connection,
) -> None:
    event_id = await add_event(connection)
    await view_pages(connection, event_id, 1)
    await project(connection, NOON, event_id)
    await view_pages(connection, event_id, 1)
    await project(connection, NOON - MINUTE, event_id)

    await keep_owed_snapshots(connection, NOON + HOUR)

    assert await snapshots_of(connection, event_id) == [("hourly", NOON, 2)]


async def test_a_timer_that_meets_a_round_waits_and_finds_its_work_done(
    connection: Connection, database_url: str
) -> None:
    event_id = await add_event(connection)
    await view_pages(connection, event_id, 1)
    await project(connection, NOON, event_id)
    await view_pages(connection, event_id, 1)
    other = await asyncpg.connect(database_url, server_settings={"search_path": SEARCH_PATH})
    watcher = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            await project(connection, NOON + HOUR, event_id)
            timer = asyncio.create_task(keep_owed_snapshots(other, NOON + HOUR))
            while not await watcher.fetchval(
                "SELECT cardinality(pg_blocking_pids($1)) > 0", other.get_server_pid()
            ):
                assert not timer.done(), timer
        await timer
    finally:
        await other.close()
        await watcher.close()

    assert await snapshots_of(connection, event_id) == [("hourly", NOON, 1)]
