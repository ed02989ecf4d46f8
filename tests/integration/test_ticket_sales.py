"""Batches of ticketing facts on a real Postgres, as the service."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from contracts.envelope import Event
from services.runtime.database import Connection
from services.runtime.effects import Effects
from services.ticket_sales import store
from services.ticket_sales.app import TicketSales
from services.ticket_sales.domain import OrderState, fold, move
from tests.support.as_service import connected
from tests.support.facts import NOON, ticketing

GALA, FAIR = "35bf992d-c9e9-4616-a12e-7696a6cecc1b", "619699cf-e198-4ad9-b06c-144a025b413f"
SPONSOR = "07923986-bb96-4a43-bd5c-8dfc5eda92d8"


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Connection]:
    """A connection of the service."""
    async with connected(database_url, "ticket_sales") as connection:
        yield connection


async def apply(connection: Connection, *events: Event[Any]) -> Effects:
    """Apply one batch in a transaction of its own."""
    async with connection.transaction():
        return await TicketSales().apply(connection, events, 0)


async def order_rows(connection: Connection) -> list[dict[str, Any]]:
    return [dict(row) for row in await connection.fetch("SELECT * FROM ticket_orders ORDER BY event_id, order_id")]


def completed(order_id: str = "o-1", event_id: str = GALA, **more: Any) -> Event[Any]:
    data = {"quantity": 3, "amount": "30.00", "currency": "USD", "ticket_type": "vip", "sponsor_id": SPONSOR}
    return ticketing("order_completed", event_id=event_id, order_id=order_id, **{**data, **more})


def refunded(order_id: str = "o-1", event_id: str = GALA, **more: Any) -> Event[Any]:
    data = {"refunded_quantity": 1, "refunded_amount": "10.00", "currency": "USD"}
    return ticketing("order_refunded", event_id=event_id, order_id=order_id, **{**data, **more})


def checked_in(ticket_id: str, event_id: str = GALA) -> Event[Any]:
    return ticketing("attendee_checked_in", event_id=event_id, order_id="o-1", ticket_id=ticket_id)


def moved(effects: Effects) -> dict[Any, int]:
    """What moved, signals and counters together."""
    return {key: n for key, n in (*effects.counters.items(), *effects.signals.items()) if n}


def summed(parts: Iterable[Effects]) -> dict[Any, int]:
    total = Effects()
    for part in parts:
        total.counters.update(part.counters)
        total.signals.update(part.signals)
    return moved(total)


def expected(facts: Sequence[Event[Any]]) -> dict[Any, int]:
    """What the orders of these facts contribute, computed from all facts at once."""
    sums = Effects()
    keys = {(fact.data.event_id, fact.data.order_id) for fact in facts}
    for key in keys:
        of_order = [fact for fact in facts if (fact.data.event_id, fact.data.order_id) == key]
        move(sums, key[0], OrderState(), fold(OrderState(), of_order))
    return moved(sums)


def without_facts(effects: dict[Any, int]) -> dict[Any, int]:
    return {key: n for key, n in effects.items() if key[1] != "ticketing_facts"}


async def test_every_fact_is_kept_with_its_identity(service: Connection) -> None:
    viewed = ticketing("page_viewed", event_id=GALA, session_id="s-1", id="1", minute=0)
    refund = refunded(id="2", minute=1)

    await apply(service, viewed, refund)

    first, second = await service.fetch("SELECT * FROM ticket_events ORDER BY id")
    assert (first["source"], first["id"], first["type"]) == (viewed.source, "1", "page_viewed")
    assert (str(first["event_id"]), first["occurred_at"], first["session_id"]) == (GALA, NOON, "s-1")
    assert (second["order_id"], second["refunded_quantity"], second["refunded_cents"]) == ("o-1", 1, 1000)


async def test_an_order_is_stored_with_its_state_and_its_net_figures(service: Connection) -> None:
    completion = completed(channel="web")
    dispute = ticketing("dispute_closed", event_id=GALA, order_id="o-1", outcome="won")
    checkout = ticketing("checkout_started", event_id=GALA, order_id="o-1")

    await apply(service, completion, refunded(), refunded(currency="EUR"), dispute, checkout)

    (row,) = await order_rows(service)
    assert row["refunds"] == {"USD": [1, 1000], "EUR": [1, 1000]}
    assert row == {
        "event_id": row["event_id"],
        "order_id": "o-1",
        "checkout_started": True,
        "completed_rank": completion.rank,
        "completed_at": completion.time,
        "quantity": 3,
        "amount_cents": 3000,
        "currency": "USD",
        "ticket_type": "vip",
        "sponsor_id": row["sponsor_id"],
        "refunds": row["refunds"],
        "dispute_rank": dispute.rank,
        "dispute_outcome": "won",
        "net_quantity": 2,
        "net_cents": 2000,
    }
    assert (str(row["event_id"]), str(row["sponsor_id"])) == (GALA, SPONSOR)


async def test_what_is_stored_is_what_is_read_again(service: Connection) -> None:
    """Also of the year 1, and with texts as long as they may be."""
    longest = "\U0001f39f" * 255
    first = ticketing(
        "order_completed",
        event_id=GALA,
        order_id=longest,
        quantity=10_000,
        amount="9999999999.99",
        currency="USD",
        ticket_type=longest,
        minute=-(NOON - datetime(1, 1, 2, tzinfo=UTC)).total_seconds() / 60,
    )
    nothing_known_of_its_completion = refunded("o-2", refunded_quantity=0, refunded_amount="0")
    facts = (first, refunded(longest, refunded_amount="9999999999.98"), nothing_known_of_its_completion)

    await apply(service, *facts)

    states = await store.lock_orders(service, [(GALA, longest), (GALA, "o-2"), (GALA, "o-3")])
    assert states == {
        (GALA, longest): fold(OrderState(), facts[:2]),
        (GALA, "o-2"): fold(OrderState(), facts[2:]),
        (GALA, "o-3"): OrderState(),
    }


async def test_a_refund_that_comes_before_its_order_is_counted_with_it(service: Connection) -> None:
    early, order = refunded(minute=2), completed(minute=1)

    assert without_facts(moved(await apply(service, early))) == {}
    assert without_facts(moved(await apply(service, order))) == expected([early, order])


async def test_an_order_that_stays_as_it_is_is_not_written(service: Connection) -> None:
    await apply(service, completed(minute=2))
    before = await service.fetchval("SELECT ctid FROM ticket_orders")

    effects = await apply(service, completed(minute=1, quantity=9))

    assert moved(effects) == {(GALA, "ticketing_facts", ""): 1}
    assert await service.fetchval("SELECT ctid FROM ticket_orders") == before


async def test_a_ticket_is_checked_in_once_in_its_event(service: Connection) -> None:
    first = await apply(service, checked_in("t-1"), checked_in("t-1"), checked_in("t-2"), checked_in("t-1", FAIR))
    again = await apply(service, checked_in("t-2"), checked_in("t-3"))

    assert (first.counters[GALA, "checked_in", ""], first.counters[FAIR, "checked_in", ""]) == (2, 1)
    assert again.counters[GALA, "checked_in", ""] == 1
    assert await order_rows(service) == []


async def test_any_order_and_batching_stores_the_same_orders_and_moves_the_same_sums(
    service: Connection,
    connection: Connection,
) -> None:
    random = Random(3)
    facts = [
        random.choice((completed, refunded))(
            f"o-{random.randrange(6)}",
            random.choice((GALA, FAIR)),
            minute=random.randrange(3000),
            currency=random.choice(("USD", "EUR")),
        )
        for _ in range(120)
    ]
    seen = []
    for size in (120, 1, 7):
        random.shuffle(facts)
        batches = [facts[start : start + size] for start in range(0, len(facts), size)]
        effects = [await apply(service, *batch) for batch in batches]
        seen.append(await order_rows(service))
        assert without_facts(summed(effects)) == expected(facts)
        await connection.execute("TRUNCATE ticket_events, ticket_orders")

    assert seen[0] == seen[1] == seen[2]


@pytest.mark.proves(28)
@pytest.mark.parametrize("row_exists", [False, True], ids=["first facts", "later facts"])
async def test_two_batches_on_one_order_wait_for_each_other_and_lose_nothing(
    service: Connection, database_url: str, row_exists: bool
) -> None:
    """The second reads the order once it has the lock, by a snapshot that holds what the first wrote."""
    start = [ticketing("checkout_started", event_id=GALA, order_id="o-1")] if row_exists else []
    first, second = completed(), refunded()
    async with connected(database_url, "ticket_sales") as other:
        effects = [await apply(service, *start)]
        async with service.transaction():
            effects.append(await TicketSales().apply(service, [first], 0))
            waiting = asyncio.create_task(apply(other, second))
            while not await service.fetchval("SELECT pg_blocking_pids($1) <> '{}'", other.get_server_pid()):
                pass
        effects.append(await waiting)

    assert without_facts(summed(effects)) == expected([*start, first, second])
