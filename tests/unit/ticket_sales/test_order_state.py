"""What the state of an order is, whatever the order in which its facts arrive."""

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pytest

from contracts.envelope import Event
from services.ticket_sales.domain import OrderState, Refunded, fold
from tests.support.facts import NOON, ticketing

GALA = "35bf992d-c9e9-4616-a12e-7696a6cecc1b"
SPONSOR = "07923986-bb96-4a43-bd5c-8dfc5eda92d8"
ORDER: dict[str, Any] = {"event_id": GALA, "order_id": "o-1"}


def completed(quantity: int = 2, amount: str = "100.00", currency: str = "USD", **more: Any) -> Event[Any]:
    more = {"ticket_type": "standard", "sponsor_id": None, **more}
    return ticketing("order_completed", **ORDER, quantity=quantity, amount=amount, currency=currency, **more)


def refunded(quantity: int, amount: str, currency: str = "USD", minute: float = 5) -> Event[Any]:
    cumulative: dict[str, Any] = {"refunded_quantity": quantity, "refunded_amount": amount}
    return ticketing("order_refunded", **ORDER, **cumulative, currency=currency, minute=minute)


def disputed(outcome: str, minute: float = 9) -> Event[Any]:
    return ticketing("dispute_closed", **ORDER, outcome=outcome, minute=minute)


def order(*facts: Event[Any]) -> OrderState:
    """The state of an order with these facts, the same in every order of their arrival."""
    states = [fold(OrderState(), arrived) for arrived in permutations(facts)]
    assert all(state == states[0] for state in states)
    return states[0]


def net(*facts: Event[Any]) -> tuple[int, int]:
    """Net quantity and net cents."""
    state = order(*facts)
    return state.net_quantity, state.net_cents


def test_an_order_without_a_completion_has_nothing_net() -> None:
    assert net() == (0, 0)
    assert net(ticketing("checkout_started", **ORDER), refunded(1, "5.00"), disputed("won")) == (0, 0)


def test_a_checkout_is_remembered_and_nothing_else_of_it() -> None:
    state = order(ticketing("checkout_started", **ORDER), ticketing("checkout_started", **ORDER))

    assert state == OrderState(checkout_started=True)


def test_a_checkin_says_nothing_about_its_order() -> None:
    assert order(ticketing("attendee_checked_in", **ORDER, ticket_id="t-1")) == OrderState()


def test_the_completion_of_greatest_rank_counts_whole_also_where_it_is_null() -> None:
    first = completed(2, "100.00", "USD", sponsor_id=SPONSOR, ticket_type="vip", channel="web", minute=1)
    later = completed(3, "90.00", "EUR", sponsor_id=None, ticket_type="standard", minute=2)

    state = order(first, later)

    assert state.completion is not None
    assert state.completion.sponsor_id is None
    assert (state.completion.currency, state.completion.ticket_type) == ("EUR", "standard")
    assert (state.completion.completed_at - NOON).total_seconds() == 120
    assert (state.net_quantity, state.net_cents) == (3, 9000)


@pytest.mark.parametrize(("source", "id", "quantity"), [("/a", "2", 1), ("/b", "0", 1), ("/a", "0", 2), ("/A", "9", 2)])
def test_completions_of_one_instant_are_ranked_by_source_then_id(source: str, id: str, quantity: int) -> None:
    """Quantity 1 comes with the parametrized identity, 2 with ("/a", "1")."""
    assert net(completed(1, "1", source=source, id=id), completed(2, "1", source="/a", id="1"))[0] == quantity


def test_texts_of_ranks_are_compared_by_their_utf8_bytes() -> None:
    """In UTF-16, as some languages compare, the second would be the lesser."""
    assert net(completed(1, "1", id="\uffee"), completed(2, "1", id="\U0001f39f")) == (2, 100)


def test_a_refund_takes_its_quantity_and_its_amount_from_the_order() -> None:
    assert net(completed(2, "100.00"), refunded(1, "40.5")) == (1, 5950)


def test_refunds_are_cumulative_so_the_greatest_counts_and_not_the_last_nor_the_sum() -> None:
    facts = completed(5, "100.00"), refunded(3, "60.00", minute=6), refunded(2, "40.00", minute=7)

    assert net(*facts) == (2, 4000)


def test_the_greatest_quantity_and_the_greatest_amount_may_come_from_different_refunds() -> None:
    assert net(completed(5, "100.00"), refunded(3, "10.00"), refunded(1, "40.00")) == (2, 6000)


def test_net_quantity_and_net_amount_are_never_below_zero() -> None:
    assert net(completed(2, "10.00"), refunded(3, "10.01")) == (0, 0)
    assert net(completed(2, "10.00"), refunded(3, "1.00")) == (0, 900)
    assert net(completed(2, "10.00"), refunded(0, "10.01")) == (2, 0)


def test_a_refund_in_another_currency_is_kept_and_not_counted() -> None:
    state = order(completed(2, "10.00", "USD"), refunded(2, "10.00", "EUR"))

    assert (state.net_quantity, state.net_cents) == (2, 1000)
    assert state.refunds == {"EUR": Refunded(2, 1000)}


def test_a_later_completion_in_another_currency_has_its_own_refunds_counted() -> None:
    facts = completed(4, "40.00", "USD", minute=1), refunded(1, "10.00", "USD"), refunded(2, "20.00", "EUR")

    assert net(*facts) == (3, 3000)
    assert net(*facts, completed(4, "40.00", "EUR", minute=2)) == (2, 2000)


def test_an_order_is_worth_nothing_while_its_dispute_is_lost() -> None:
    assert net(completed(2, "10.00"), disputed("lost")) == (0, 0)
    assert net(completed(2, "10.00"), disputed("won")) == (2, 1000)


@pytest.mark.parametrize(("first", "later", "kept"), [("lost", "won", 2), ("won", "lost", 0)])
def test_the_dispute_of_greatest_rank_decides(first: str, later: str, kept: int) -> None:
    assert net(completed(2, "10.00"), disputed(first, minute=7), disputed(later, minute=8))[0] == kept


def test_a_dispute_may_be_closed_before_the_order_is_completed() -> None:
    assert net(disputed("lost", minute=1), completed(2, "10.00", minute=2)) == (0, 0)


def test_the_same_fact_twice_is_the_fact_once() -> None:
    facts: Sequence[Event[Any]] = [completed(), refunded(1, "1.00"), disputed("won")]

    assert fold(fold(OrderState(), facts), facts) == fold(OrderState(), facts)
