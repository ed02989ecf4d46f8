"""Months of agent_sales_activities: there before rows come, one at a time to a query, detached when they are old."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from contracts.topics import EMAIL_ENGAGEMENT
from services.email_engagement import store
from services.email_engagement.app import EmailEngagement
from services.runtime.database import Connection
from tests.support.as_service import connected
from tests.support.crm import add_event, add_sponsor
from tests.support.facts import NOON
from tests.support.intakes import bench
from tests.support.records import batch, event

TODAY = datetime.now(UTC).date()


def months(first: date, last: date) -> list[date]:
    """The first days of all months from that of `first` to that of `last`."""
    count = (last.year - first.year) * 12 + last.month - first.month
    return [date(first.year + (first.month - 1 + n) // 12, (first.month - 1 + n) % 12 + 1, 1) for n in range(count + 1)]


async def add_rows(connection: Connection, *days: date) -> None:
    await connection.execute(
        "INSERT INTO agent_sales_activities (activity_type, created_at) SELECT 'email_sent', unnest($1::timestamptz[])",
        [datetime(day.year, day.month, day.day, tzinfo=UTC) for day in days],
    )


async def detach(connection: Connection, before: date) -> list[str]:
    """Detach with the rights of an operator."""
    async with connection.transaction():
        await connection.execute("SET LOCAL ROLE eventos_operator")
        return [row[0] for row in await connection.fetch("SELECT detach_sales_activity_months($1)", before)]


def years_ago(years: int) -> date:
    return TODAY.replace(year=TODAY.year - years, day=1)


async def test_rows_of_any_month_of_the_past_two_years_and_next_year_land(connection: Connection) -> None:
    wanted = months(TODAY.replace(year=TODAY.year - 2, day=1), date(TODAY.year + 1, 12, 1))

    await add_rows(connection, *wanted)

    lie_in = await connection.fetch("SELECT tableoid::regclass::text FROM agent_sales_activities ORDER BY created_at")
    assert [row[0] for row in lie_in] == [f"agent_sales_activities_{month:%Y_%m}" for month in wanted]


async def test_the_service_keeps_next_years_months_made(connection: Connection, database_url: str) -> None:
    then = date(TODAY.year + 2, 1, 1)
    async with connected(database_url, "email_engagement") as service:
        await store.keep_months(service, then)
        await store.keep_months(service, then)

    await add_rows(connection, date(then.year + 1, 12, 31))


async def test_a_query_for_a_month_reads_one_partition(connection: Connection) -> None:
    month = years_ago(1)
    rows = await connection.fetch(
        "EXPLAIN (FORMAT json) SELECT * FROM agent_sales_activities"  # noqa: S608
        f" WHERE created_at >= '{month} 00:00+00' AND created_at < '{month + timedelta(days=28)} 00:00+00'"
    )
    assert relations(json.loads(rows[0][0])) == {f"agent_sales_activities_{month:%Y_%m}"}


async def test_a_month_that_is_asked_for_by_parameters_is_one_partition_too(connection: Connection) -> None:
    month = datetime(TODAY.year - 1, 3, 1, tzinfo=UTC)
    await connection.execute("SET plan_cache_mode TO force_generic_plan")
    await connection.execute(
        "PREPARE of_month (timestamptz, timestamptz) AS"
        " SELECT * FROM agent_sales_activities WHERE created_at >= $1 AND created_at < $2"
    )
    (row,) = await connection.fetch(
        f"EXPLAIN (ANALYZE, FORMAT json) EXECUTE of_month ('{month}', '{month + timedelta(days=31)}')"
    )
    assert relations(json.loads(row[0])) == {f"agent_sales_activities_{month:%Y_%m}"}


def relations(plan: Any) -> set[str]:
    """The tables that a plan reads."""
    if isinstance(plan, list):
        return set().union(*map(relations, plan))
    if isinstance(plan, dict):
        own = {plan["Relation Name"]} if "Relation Name" in plan else set()
        return own.union(*(relations(part) for part in plan.values()))
    return set()


@pytest.mark.parametrize("forgotten", [False, True], ids=["the ledger knows them", "nobody remembers them"])
async def test_a_replay_doubles_no_row_in_whatever_month_it_lies(
    database_url: str, connection: Connection, forgotten: bool
) -> None:
    sponsor, ages = await add_sponsor(connection), (0, 40, 400, 4000)
    facts = [
        event(
            EMAIL_ENGAGEMENT, name, id=f"{name}-{days}", minute=minute - days * 24 * 60,
            message_id=f"m-{days}", sponsor_id=sponsor,
        )
        for days in ages
        for minute, name in enumerate(("sent", "opened", "replied"))
    ]  # fmt: skip
    async with bench(database_url, EmailEngagement(), service="email_engagement", topic=EMAIL_ENGAGEMENT) as intake:
        await intake.process(batch(0, 0, *facts, topic=EMAIL_ENGAGEMENT))
        before = await connection.fetch("SELECT * FROM agent_sales_activities ORDER BY created_at")
        if forgotten:
            await connection.execute("TRUNCATE processed_events, email_messages")
        await intake.process(batch(0, len(facts), *facts, topic=EMAIL_ENGAGEMENT))

    assert [row["created_at"] for row in before] == [NOON - timedelta(days=days) for days in reversed(ages)]
    assert await connection.fetch("SELECT * FROM agent_sales_activities ORDER BY created_at") == before


class TestRetention:
    async def test_old_months_go_to_the_archive_whole_and_younger_ones_stay(self, connection: Connection) -> None:
        old, kept = years_ago(4), years_ago(3)
        await connection.execute("SELECT ensure_sales_activity_months($1, $2)", old, kept)
        await add_rows(connection, old, old, kept)

        (name,) = await detach(connection, kept)

        assert name.startswith(f"agent_sales_activities_{old:%Y_%m}_detached_")
        assert await connection.fetchval("SELECT count(*) FROM agent_sales_activities") == 1
        assert await connection.fetchval(f'SELECT count(*) FROM eventos_archive."{name}"') == 2  # noqa: S608
        assert await detach(connection, kept) == []

    @pytest.mark.parametrize("table", ["sponsors", "events"])
    async def test_what_is_in_the_archive_goes_with_its_sponsor_or_event_all_the_same(
        self, connection: Connection, table: str
    ) -> None:
        old, sponsor, event_id = years_ago(4), await add_sponsor(connection), await add_event(connection)
        await connection.execute("SELECT ensure_sales_activity_months($1, $1)", old)
        await add_rows(connection, old, old)
        await connection.execute(
            "UPDATE agent_sales_activities SET sponsor_id = $1, event_id = $2"
            " WHERE id = (SELECT id FROM agent_sales_activities LIMIT 1)",
            sponsor,
            event_id,
        )
        (name,) = await detach(connection, years_ago(3))

        await connection.execute(f"DELETE FROM {table}")  # noqa: S608

        assert await connection.fetchval(f'SELECT count(*) FROM eventos_archive."{name}"') == 1  # noqa: S608

    async def test_a_row_that_comes_for_a_detached_month_lands_all_the_same(self, connection: Connection) -> None:
        old = years_ago(4)
        await connection.execute("SELECT ensure_sales_activity_months($1, $1)", old)
        await add_rows(connection, old)
        await detach(connection, years_ago(3))

        await add_rows(connection, old)

        assert await connection.fetchval("SELECT count(*) FROM agent_sales_activities") == 1

    async def test_months_of_the_past_two_years_are_never_detached(self, connection: Connection) -> None:
        with pytest.raises(asyncpg.InvalidParameterValueError, match="months of the past two years stay"):
            await detach(connection, years_ago(2) + timedelta(days=1))

    async def test_only_operators_detach_and_only_the_owner_reaches_the_archive(
        self, connection: Connection, database_url: str
    ) -> None:
        async with connected(database_url, "email_engagement") as service:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await service.execute("SELECT detach_sales_activity_months('2020-01-01')")
        reached = await connection.fetch(
            "SELECT rolname FROM pg_roles WHERE has_schema_privilege(oid, 'eventos_archive', 'USAGE')"
            " AND NOT rolsuper AND rolname ~ '^(eventos_|anon|authenticated|service_role|pg_database_owner)'"
        )
        assert [row[0] for row in reached] == []
