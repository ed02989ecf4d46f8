"""What an order and its event's other facts add to counters and leads, and the rows that keep them."""

from datetime import date, timedelta
from typing import Any

import pytest

from contracts.envelope import Event
from contracts.lead_signals import LEAD_SIGNALS
from services.runtime.effects import Effects
from services.ticket_sales.app import TicketSales
from services.ticket_sales.domain import FACT_COLUMNS, OrderState, count, fact, fold, move
from tests.support.facts import NOON, ticketing

GALA = "35bf992d-c9e9-4616-a12e-7696a6cecc1b"
SPONSOR = "07923986-bb96-4a43-bd5c-8dfc5eda92d8"
ORDER: dict[str, Any] = {"event_id": GALA, "order_id": "o-1"}

CHECKOUT = ticketing("checkout_started", **ORDER)
COMPLETED = ticketing(
    "order_completed",
    **ORDER,
    quantity=3,
    amount="99.5",
    currency="USD",
    ticket_type="vip",
    sponsor_id=SPONSOR,
    channel="web",
)
REFUNDED = ticketing("order_refunded", **ORDER, refunded_quantity=1, refunded_amount="9.50", currency="USD")
WHOLE: dict[str, Any] = {"refunded_quantity": 3, "refunded_amount": "99.50", "currency": "USD"}
REFUNDED_WHOLE = ticketing("order_refunded", **ORDER, **WHOLE)
LOST = ticketing("dispute_closed", **ORDER, outcome="lost")
CHECKED_IN = ticketing("attendee_checked_in", **ORDER, ticket_id="t-1")
VIEWED = ticketing("page_viewed", event_id=GALA, session_id="s-1")


def contributed(*facts: Event[Any]) -> dict[tuple[str, str], int]:
    """The counters above 0 to which an order with these facts contributes, by metric and label."""
    return counters(moved((), facts))


def moved(old: tuple[Event[Any], ...], new: tuple[Event[Any], ...]) -> Effects:
    effects = Effects()
    move(effects, GALA, fold(OrderState(), old), fold(OrderState(), new))
    return effects


def counters(effects: Effects) -> dict[tuple[str, str], int]:
    assert {event_id for event_id, _, _ in effects.counters} <= {GALA}
    return {(metric, label): n for (_, metric, label), n in effects.counters.items() if n}


def signals(effects: Effects) -> dict[Any, int]:
    return {key: n for key, n in effects.signals.items() if n}


def test_an_order_that_nothing_is_known_of_contributes_nothing() -> None:
    assert contributed() == contributed(LOST) == contributed(REFUNDED) == {}


def test_a_checkout_counts_once_for_its_order() -> None:
    assert contributed(CHECKOUT, CHECKOUT) == {("checkouts", ""): 1}


def test_an_order_that_counts_shows_in_orders_tickets_types_and_revenue() -> None:
    assert contributed(COMPLETED, REFUNDED) == {
        ("completed_orders", "USD"): 1,
        ("gross_revenue", "USD"): 9950,
        ("net_revenue", "USD"): 9000,
        ("orders", ""): 1,
        ("tickets", ""): 2,
        ("tickets_by_type", "vip"): 2,
    }


@pytest.mark.parametrize("undone", [REFUNDED_WHOLE, LOST], ids=["refunded", "lost"])
def test_an_order_that_no_longer_counts_keeps_its_currency_and_its_gross_amount(undone: Event[Any]) -> None:
    assert contributed(COMPLETED, undone) == {("completed_orders", "USD"): 1, ("gross_revenue", "USD"): 9950}


def test_an_order_that_changes_moves_by_the_difference() -> None:
    assert counters(moved((COMPLETED,), (COMPLETED, REFUNDED, CHECKOUT))) == {
        ("checkouts", ""): 1,
        ("net_revenue", "USD"): -950,
        ("tickets", ""): -1,
        ("tickets_by_type", "vip"): -1,
    }


def test_an_order_that_a_sponsor_placed_is_a_signal_on_the_day_of_its_completion() -> None:
    effects = moved((), (COMPLETED,))

    assert signals(effects) == {(SPONSOR, GALA, "ticket_order", date(2026, 9, 1)): 1}
    assert {signal for _, _, signal, _ in effects.signals} == LEAD_SIGNALS["ticket_sales"]


@pytest.mark.parametrize("undone", [REFUNDED_WHOLE, LOST], ids=["refunded", "lost"])
def test_the_signal_goes_when_the_order_stops_counting(undone: Event[Any]) -> None:
    assert signals(moved((COMPLETED,), (COMPLETED, undone))) == {(SPONSOR, GALA, "ticket_order", date(2026, 9, 1)): -1}


def test_the_signal_moves_with_the_completion_to_its_day_and_goes_with_its_sponsor() -> None:
    again: dict[str, Any] = {"quantity": 3, "amount": "99.50", "currency": "USD", "ticket_type": "vip"}
    next_day = ticketing("order_completed", **ORDER, **again, sponsor_id=SPONSOR, minute=12 * 60)
    nobody = ticketing("order_completed", **ORDER, **again, minute=13 * 60)

    assert signals(moved((COMPLETED,), (COMPLETED, next_day))) == {
        (SPONSOR, GALA, "ticket_order", date(2026, 9, 1)): -1,
        (SPONSOR, GALA, "ticket_order", date(2026, 9, 2)): 1,
    }
    assert signals(moved((COMPLETED,), (COMPLETED, nobody))) == {(SPONSOR, GALA, "ticket_order", date(2026, 9, 1)): -1}


def test_every_fact_counts_as_one_so_that_its_event_has_a_dashboard() -> None:
    effects = Effects()
    count(effects, [CHECKOUT, COMPLETED, REFUNDED, LOST, CHECKED_IN])

    assert counters(effects) == {("ticketing_facts", ""): 5}
    assert effects.first_at == {}


def test_views_are_counted_each_with_the_earliest_of_their_times() -> None:
    effects = Effects()
    count(
        effects,
        [ticketing("page_viewed", event_id=GALA, session_id="the same", minute=minute) for minute in (2, 1, 3)],
    )

    assert counters(effects) == {("ticketing_facts", ""): 3, ("views", ""): 3}
    assert effects.first_at == {(GALA, "views", ""): NOON + timedelta(minutes=1)}


@pytest.mark.parametrize(
    ("event", "kept"),
    [
        (VIEWED, {"session_id": "s-1"}),
        (CHECKOUT, {"order_id": "o-1"}),
        (
            COMPLETED,
            {
                "order_id": "o-1",
                "quantity": 3,
                "amount_cents": 9950,
                "currency": "USD",
                "ticket_type": "vip",
                "sponsor_id": SPONSOR,
                "channel": "web",
            },
        ),
        (REFUNDED, {"order_id": "o-1", "currency": "USD", "refunded_quantity": 1, "refunded_cents": 950}),
        (LOST, {"order_id": "o-1", "outcome": "lost"}),
        (CHECKED_IN, {"order_id": "o-1", "ticket_id": "t-1"}),
    ],
    ids=lambda it: it.name if isinstance(it, Event) else "",
)
def test_a_fact_keeps_everything_that_its_type_documents(event: Event[Any], kept: dict[str, Any]) -> None:
    stamp = {"event_id": GALA, "source": event.source, "id": event.id, "type": event.name, "occurred_at": NOON}
    row = dict(zip(FACT_COLUMNS, fact(event), strict=True))

    assert row == {**dict.fromkeys(FACT_COLUMNS), **stamp, **kept}


def test_the_event_must_exist_and_the_sponsor_that_a_completed_order_names() -> None:
    handler = TicketSales()

    assert handler.references(COMPLETED) == (SPONSOR, GALA)
    assert handler.references(CHECKOUT) == handler.references(VIEWED) == (None, GALA)
