"""Snapshots of dashboards, on a real Postgres, with the rights of the service."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from services.event_dashboards import store
from services.event_dashboards.app import keep_owed_snapshots
from services.runtime.database import Connection
from tests.support.as_service import connected
from tests.support.crm import add_event
from tests.support.dashboards import HOUR, MINUTE, NOON, project, row_of, snapshots_of, view_pages


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Connection]:
    """A connection of the service; `connection` is the owner's, for what others write."""
    async with connected(database_url, "event_dashboards") as connection:
        yield connection


async def test_a_change_that_comes_before_the_timer_keeps_the_old_figures(
    connection: Connection, service: Connection
) -> None:
    event_id = await add_event(connection)
    await view_pages(connection, event_id, 1)
    await project(service, NOON, event_id)
    await view_pages(connection, event_id, 1)
    await project(service, NOON + 59 * MINUTE, event_id)
    await view_pages(connection, event_id, 1)
    await project(service, NOON + HOUR, event_id)

    await keep_owed_snapshots(service, NOON + HOUR + MINUTE)

    assert await snapshots_of(service, event_id) == [("hourly", NOON, 2)]


async def test_the_timer_keeps_each_hour_and_day_of_change_once(connection: Connection, service: Connection) -> None:
    event_id = await add_event(connection)
    await view_pages(connection, event_id, 1)
    await project(service, NOON, event_id)
    midnight = NOON.replace(hour=0)

    await keep_owed_snapshots(service, NOON + HOUR - timedelta(microseconds=1))
    assert await snapshots_of(service, event_id) == []
    await keep_owed_snapshots(service, NOON + HOUR)
    assert await snapshots_of(service, event_id) == [("hourly", NOON, 1)]
    for later in (2, 12, 13, 36, 48):
        await keep_owed_snapshots(service, NOON + later * HOUR)

    assert await snapshots_of(service, event_id) == [("daily", midnight, 1), ("hourly", NOON, 1)]


async def test_the_timer_goes_through_all_dashboards_page_by_page(connection: Connection, service: Connection) -> None:
    event_ids = [await add_event(connection) for _ in range(5)]
    for event_id in event_ids:
        await view_pages(connection, event_id, 1)
    await project(service, NOON, *event_ids)

    await keep_owed_snapshots(service, NOON + HOUR, page=2)

    for event_id in event_ids:
        assert await snapshots_of(service, event_id) == [("hourly", NOON, 1)]


async def test_a_dashboard_shows_its_latest_snapshots_newest_first(connection: Connection, service: Connection) -> None:
    event_id = await add_event(connection)
    for hour in range(store.LATEST_SNAPSHOTS + 3):
        await view_pages(connection, event_id, 1)
        await project(service, NOON + hour * HOUR, event_id)

    row = await row_of(service, event_id)
    shown = row["snapshots"]
    assert len(shown) == store.LATEST_SNAPSHOTS
    assert shown[0]["total_views"] == store.LATEST_SNAPSHOTS + 2
    assert [it["total_views"] for it in shown] == sorted((it["total_views"] for it in shown), reverse=True)
    assert [it["snapshot_type"] for it in shown if it["bucket"].startswith("2026-09-09T00")] == ["daily"]


async def test_a_clock_that_is_behind_does_not_set_a_dashboard_back_into_an_hour_that_is_over(
    connection: Connection, service: Connection
) -> None:
    event_id = await add_event(connection)
    await view_pages(connection, event_id, 1)
    await project(service, NOON, event_id)
    await view_pages(connection, event_id, 1)
    await project(service, NOON - MINUTE, event_id)

    await keep_owed_snapshots(service, NOON + HOUR)

    assert await snapshots_of(service, event_id) == [("hourly", NOON, 2)]


async def test_a_timer_that_meets_a_round_waits_and_finds_its_work_done(
    connection: Connection, service: Connection, database_url: str
) -> None:
    event_id = await add_event(connection)
    await view_pages(connection, event_id, 1)
    await project(service, NOON, event_id)
    await view_pages(connection, event_id, 1)
    async with connected(database_url, "event_dashboards") as other:
        async with service.transaction():
            await project(service, NOON + HOUR, event_id)
            timer = asyncio.create_task(keep_owed_snapshots(other, NOON + HOUR))
            while not await connection.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", other.get_server_pid()):
                assert not timer.done(), timer
        await timer

    assert await snapshots_of(service, event_id) == [("hourly", NOON, 1)]
