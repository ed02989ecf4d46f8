"""The summary of sponsors' performance: right, fresh, and an organiser's own."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import pytest

from services.lead_scoring import store
from services.runtime.database import Connection
from tests.support.as_service import connected

AT_ONCE = timedelta()
MINUTE = 60.0


async def organiser(connection: Connection) -> str:
    """Insert a user."""
    user: str = await connection.fetchval("INSERT INTO auth.users (id) VALUES ($1) RETURNING id::text", uuid4())
    return user


async def sponsor_of(connection: Connection, user: str | None, currency: str = "USD") -> str:
    sponsor: str = await connection.fetchval(
        "INSERT INTO sponsors (created_by, company_name, industry, currency) VALUES ($1, 'Company', 'food', $2)"
        " RETURNING id::text",
        user, currency,
    )  # fmt: skip
    return sponsor


async def event_of(connection: Connection, user: str | None) -> str:
    event: str = await connection.fetchval(
        "INSERT INTO events (organizer_id, title) VALUES ($1, 'Gala') RETURNING id::text", user
    )
    return event


async def contract(
    connection: Connection, sponsor: str, event: str, amount: str, currency: str = "USD", status: str = "signed"
) -> None:
    await connection.execute(
        "INSERT INTO sponsorships (sponsor_id, event_id, package_level, amount, currency, status)"
        " VALUES ($1, $2, 'gold', $3, $4, $5)",
        sponsor, event, Decimal(amount), currency, status,
    )  # fmt: skip


async def proposal(connection: Connection, sponsor: str, event: str) -> None:
    await connection.execute("INSERT INTO sponsor_proposals (sponsor_id, event_id) VALUES ($1, $2)", sponsor, event)


async def score(connection: Connection, sponsor: str, event: str, points: int) -> None:
    await connection.execute(
        "INSERT INTO sponsor_lead_scores (sponsor_id, event_id, score, conversion_probability, priority)"
        " VALUES ($1, $2, $3, 0.5, 'warm')",
        sponsor, event, points,
    )  # fmt: skip


async def refreshed_as_service(database_url: str, unless_younger: timedelta = AT_ONCE) -> bool:
    """Refresh with the rights of lead_scoring."""
    async with connected(database_url, "lead_scoring") as service:
        return await store.refresh_performance(service, unless_younger, MINUTE)


async def seen_by(connection: Connection, user: str | None, role: str = "authenticated") -> list[dict[str, Any]]:
    """What a request with these claims reads."""
    async with connection.transaction():
        claims = orjson.dumps({"sub": user, "role": role} if user else {"role": role}).decode()
        await connection.execute("SELECT set_config('request.jwt.claims', $1, true)", claims)
        await connection.execute(f"SET LOCAL ROLE {role}")
        rows = await connection.fetch("SELECT * FROM public.sponsor_performance_summary")
    return [dict(row) for row in rows]


async def test_one_contract_counts_once_however_many_proposals_and_scores_there_are(
    connection: Connection, database_url: str
) -> None:
    user = await organiser(connection)
    sponsor = await sponsor_of(connection, user)
    events = [await event_of(connection, user) for _ in range(4)]
    await contract(connection, sponsor, events[0], "10000")
    for event in events[:3]:
        await proposal(connection, sponsor, event)
    for event, points in zip(events, (10, 20, 30, 41), strict=True):
        await score(connection, sponsor, event, points)

    assert await refreshed_as_service(database_url)

    (row,) = await seen_by(connection, user)
    assert (row["total_proposals"], row["total_sponsorships"]) == (3, 1)
    assert (row["avg_lead_score"], row["total_revenue"]) == (Decimal("25.25"), Decimal(10_000))


async def test_currencies_are_not_added_up_and_cancelled_contracts_are_left_out(
    connection: Connection, database_url: str
) -> None:
    user = await organiser(connection)
    sponsor, event = await sponsor_of(connection, user, "EUR"), await event_of(connection, user)
    await contract(connection, sponsor, event, "10", "EUR")
    await contract(connection, sponsor, event, "0.5", "EUR")
    await contract(connection, sponsor, event, "7", "USD")
    await contract(connection, sponsor, event, "999", "EUR", status="cancelled")

    await refreshed_as_service(database_url)

    (row,) = await seen_by(connection, user)
    assert (row["total_sponsorships"], row["total_revenue"]) == (3, Decimal("10.50"))
    assert orjson.loads(row["revenue_by_currency"]) == {"EUR": "10.50", "USD": "7.00"}


async def test_a_sponsor_of_whom_nothing_is_known_has_a_row_of_zeros(connection: Connection, database_url: str) -> None:
    user = await organiser(connection)
    await sponsor_of(connection, user)

    await refreshed_as_service(database_url)

    (row,) = await seen_by(connection, user)
    assert (row["total_proposals"], row["total_sponsorships"], row["total_revenue"]) == (0, 0, 0)
    assert row["avg_lead_score"] is None


async def test_an_organiser_sees_their_own_sponsors_and_nobody_else_any(
    connection: Connection, database_url: str
) -> None:
    anna, bert, carl = [await organiser(connection) for _ in range(3)]
    of_anna, of_bert = await sponsor_of(connection, anna), await sponsor_of(connection, bert)
    await sponsor_of(connection, None)

    await refreshed_as_service(database_url)

    assert [str(row["id"]) for row in await seen_by(connection, anna)] == [of_anna]
    assert [str(row["id"]) for row in await seen_by(connection, bert)] == [of_bert]
    assert await seen_by(connection, carl) == []
    assert await seen_by(connection, None) == []
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await seen_by(connection, None, role="anon")


async def test_what_a_sponsor_did_for_another_organiser_is_not_told(connection: Connection, database_url: str) -> None:
    anna, bert = await organiser(connection), await organiser(connection)
    sponsor, event_of_bert = await sponsor_of(connection, anna), await event_of(connection, bert)
    await contract(connection, sponsor, event_of_bert, "50000")
    await proposal(connection, sponsor, event_of_bert)
    await score(connection, sponsor, event_of_bert, 90)

    await refreshed_as_service(database_url)

    (row,) = await seen_by(connection, anna)
    assert (row["total_proposals"], row["total_sponsorships"], row["total_revenue"]) == (0, 0, 0)
    assert row["avg_lead_score"] is None
    assert await seen_by(connection, bert) == []


async def test_a_function_in_an_organisers_query_meets_no_row_of_anothers(
    connection: Connection, database_url: str
) -> None:
    """What `security_barrier` is for: a cheap function would else be called before the owner's condition."""
    anna, bert = await organiser(connection), await organiser(connection)
    await sponsor_of(connection, bert)
    await refreshed_as_service(database_url)
    await connection.execute(
        "CREATE FUNCTION public.spy(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS"
        " $$BEGIN RAISE EXCEPTION 'saw %', $1; END$$"
    )

    async with connection.transaction():
        await connection.execute(
            "SELECT set_config('request.jwt.claims', $1, true)", orjson.dumps({"sub": anna}).decode()
        )
        await connection.execute("SET LOCAL ROLE authenticated")
        assert await connection.fetch("SELECT * FROM public.sponsor_performance_summary WHERE spy(company_name)") == []


async def test_it_is_refreshed_while_others_read_it(connection: Connection, database_url: str) -> None:
    user = await organiser(connection)
    async with connection.transaction():
        assert await connection.fetchval("SELECT count(*) FROM public.sponsor_performance_summary") == 0
        assert await refreshed_as_service(database_url)
    await sponsor_of(connection, user)
    assert await refreshed_as_service(database_url)
    assert len(await seen_by(connection, user)) == 1


async def test_replicas_refresh_it_once_in_a_while_together(connection: Connection, database_url: str) -> None:
    assert await refreshed_as_service(database_url, timedelta(minutes=5))
    assert not await refreshed_as_service(database_url, timedelta(minutes=5))
    async with connection.transaction():
        await connection.execute("SELECT refresh_sponsor_performance('0')")
        assert not await refreshed_as_service(database_url)  # somebody is at it


async def test_no_service_refreshes_it_by_another_way(database_url: str) -> None:
    async with connected(database_url, "lead_scoring") as service:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute("REFRESH MATERIALIZED VIEW sponsor_performance_summary")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute("SELECT * FROM sponsor_performance_summary")
    async with connected(database_url, "event_dashboards") as service:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await store.refresh_performance(service, AT_ONCE, MINUTE)
