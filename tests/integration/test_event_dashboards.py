"""The view `dashboards`, on a real Postgres, with the rights of the service."""

from collections.abc import AsyncIterator

import orjson
import pytest
from pydantic import SecretStr

from services.event_dashboards.app import Dashboards
from services.runtime.database import Connection, connect_pool
from services.runtime.health import Pulse
from services.runtime.metrics import ServiceMetrics
from services.runtime.projection import Projection
from services.runtime.settings import Settings
from tests.support.as_service import connected
from tests.support.crm import add_event
from tests.support.dashboards import HOUR, MINUTE, NOON, count, project, row_of, sell, snapshots_of, told, view_pages

NEVER = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Connection]:
    """A connection of the service; `connection` is the owner's, for what others write."""
    async with connected(database_url, "event_dashboards") as connection:
        yield connection


async def test_a_dashboard_is_made_from_counters_and_told(connection: Connection, service: Connection) -> None:
    event_id = await add_event(connection)
    await view_pages(connection, event_id, 4)
    await sell(connection, event_id, "a", 2, 1999)
    await count(connection, event_id, "sent", 3)
    await count(connection, event_id, "activities", 1, label="note_added")

    derived = await project(service, NOON, event_id)

    assert {(it.topic, it.key) for it in derived} == {("dashboard-updates", event_id)}
    (kind, data), milestone = told(derived)
    assert (kind, data["event_id"], data["removed"]) == ("updated", event_id, False)
    assert (data["total_revenue"], data["currency"], data["conversion_rate"]) == ("19.99", "USD", "0.2500")
    assert milestone[0] == "milestone_reached"
    row = await row_of(service, event_id)
    assert row["metrics"] == data["metrics"]
    assert row["metrics"]["gross_revenue"] == {"USD": "19.99"}
    assert (row["marketing_metrics"], row["engagement_metrics"]) == ({"sent": 3}, {"note_added": 1})
    assert (row["first_view_at"], row["first_sale_at"]) == (NOON, NOON + 2 * MINUTE)
    assert row["last_updated_at"] == NOON
    assert row["organizer_id"] == await connection.fetchval("SELECT organizer_id FROM events WHERE id = $1", event_id)


async def test_a_dashboard_that_stays_the_same_is_neither_written_nor_told(
    connection: Connection, service: Connection
) -> None:
    event_id = await add_event(connection)
    await view_pages(connection, event_id, 1)
    await sell(connection, event_id, "a", 2, 1999)
    await project(service, NOON, event_id)
    before = await connection.fetchval("SELECT xmin FROM event_dashboards WHERE event_id = $1", event_id)

    assert await project(service, NOON + HOUR, event_id) == []

    after = await connection.fetchval("SELECT xmin FROM event_dashboards WHERE event_id = $1", event_id)
    assert after == before


async def test_each_event_of_a_round_is_told_once(connection: Connection, service: Connection) -> None:
    first, second = [await add_event(connection) for _ in range(2)]
    for event_id in (first, second):
        await view_pages(connection, event_id, 1)

    derived = await project(service, NOON, first, second, first)

    assert sorted(it.key for it in derived) == sorted([first, second])


async def test_shards_add_up_though_some_are_negative(connection: Connection, service: Connection) -> None:
    event_id = await add_event(connection)
    await view_pages(connection, event_id, 5, shard=1)
    await view_pages(connection, event_id, 2, shard=3)
    await count(connection, event_id, "sent", -1, shard=1)
    await count(connection, event_id, "sent", 3, shard=2)
    await count(connection, event_id, "activities", -1, label="note_added", shard=1)
    await count(connection, event_id, "activities", 1, label="note_added", shard=2)

    await project(service, NOON, event_id)

    row = await row_of(service, event_id)
    assert (row["total_views"], row["first_view_at"]) == (7, NOON - 3 * HOUR)
    assert (row["marketing_metrics"], row["engagement_metrics"]) == ({"sent": 2}, {})


async def test_a_dashboard_is_removed_when_its_last_fact_moves_away(
    connection: Connection, service: Connection
) -> None:
    event_id = await add_event(connection)
    await count(connection, event_id, "sent", 1, shard=1)
    await project(service, NOON, event_id)
    await count(connection, event_id, "sent", -1, shard=2)

    ((kind, data),) = told(await project(service, NOON + HOUR, event_id))

    assert (kind, data["removed"], data["marketing_metrics"]) == ("updated", True, {})
    assert await service.fetchval("SELECT count(*) FROM event_dashboards") == 0
    assert await snapshots_of(service, event_id) == [("hourly", NOON, 0)]
    assert await project(service, NOON + HOUR, event_id) == []


async def test_an_event_that_does_not_exist_has_no_dashboard(connection: Connection, service: Connection) -> None:
    await view_pages(connection, NEVER, 1)

    assert await project(service, NOON, NEVER) == []


async def test_total_revenue_follows_the_currency_of_the_event(connection: Connection, service: Connection) -> None:
    event_id = await add_event(connection, currency="EUR")
    await sell(connection, event_id, "a", 2, 1999)
    await project(service, NOON, event_id)
    await connection.execute("UPDATE events SET currency = 'USD' WHERE id = $1", event_id)

    ((_, data),) = told(await project(service, NOON, event_id))

    assert (data["total_revenue"], data["currency"]) == ("19.99", "USD")


async def test_milestones_are_told_once_though_they_un_happen(connection: Connection, service: Connection) -> None:
    event_id = await add_event(connection, capacity=100)
    reached = []
    for order_id, quantity in [("a", 50), ("a", -50), ("b", 50), ("c", 50)]:
        await sell(connection, event_id, order_id, quantity, 100)
        derived = told(await project(service, NOON, event_id))
        reached.append([data["milestone"] for kind, data in derived if kind == "milestone_reached"])

    assert reached == [["first_sale", "capacity_50"], [], [], ["capacity_90", "capacity_100"]]


async def test_a_capacity_that_falls_to_what_is_sold_is_a_milestone(
    connection: Connection, service: Connection
) -> None:
    event_id = await add_event(connection)
    await sell(connection, event_id, "a", 50, 100)
    await project(service, NOON, event_id)
    await connection.execute("UPDATE events SET capacity = 60 WHERE id = $1", event_id)

    ((kind, data),) = told(await project(service, NOON, event_id))

    assert (kind, data["milestone"], data["total_tickets_sold"], data["capacity"]) == (
        "milestone_reached",
        "capacity_50",
        50,
        60,
    )


async def test_the_first_sale_is_the_earliest_among_orders_that_count_now(
    connection: Connection, service: Connection
) -> None:
    event_id = await add_event(connection)
    await sell(connection, event_id, "a", 1, 100)
    await sell(connection, event_id, "b", 2, 100)
    await project(service, NOON, event_id)
    await sell(connection, event_id, "a", -1, 100)
    await project(service, NOON, event_id)

    row = await row_of(service, event_id)
    assert row["first_sale_at"] == NOON + 2 * MINUTE


async def test_a_change_of_the_event_marks_its_dashboard_for_the_next_sweep(
    connection: Connection, database_url: str
) -> None:
    event_id = await add_event(connection, currency="EUR")
    await sell(connection, event_id, "a", 2, 1999)
    settings = Settings(kafka_bootstrap_servers="unused:9092", database_url=SecretStr(database_url))
    async with await connect_pool(settings, "event_dashboards") as pool:
        view, metrics = Dashboards(lambda: NOON), ServiceMetrics("event_dashboards")
        projection = Projection(view, "event_dashboards", pool, settings, metrics, Pulse(60))
        await projection.sweep()
        await connection.execute("UPDATE events SET currency = 'USD' WHERE id = $1", event_id)
        await projection.sweep()
        await connection.execute("UPDATE events SET capacity = 2 WHERE id = $1", event_id)
        await projection.sweep()

    rows = await connection.fetch("SELECT convert_from(payload, 'UTF8') AS data FROM outbox ORDER BY id")
    data = [orjson.loads(row["data"]) for row in rows]
    assert [it.get("milestone") or it["total_revenue"] for it in data] == [
        "0.00",
        "first_sale",
        "19.99",
        "capacity_50",
        "capacity_90",
        "capacity_100",
    ]
    assert await connection.fetchval("SELECT count(*) FROM stale_marks WHERE projection = 'dashboards'") == 0
