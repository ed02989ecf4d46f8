"""What ticketing facts mean: the state of an order, and what it adds to dashboards and leads.

The state is a join over the order's facts: however they arrive, are repeated and are batched, the same facts
give the same state.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce
from typing import Any, TypeVar

from msgspec.structs import asdict

from contracts.envelope import Event
from contracts.fields import cents
from contracts.ticket_sales import (
    CheckoutStarted,
    DisputeClosed,
    OrderCompleted,
    OrderRefunded,
    PageViewed,
)
from services.runtime.effects import Effects

OrderKey = tuple[str, str]
"""(event, order): an order's id is unique within its event."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One order_completed, whole. Money is in cents: hundredths of `currency`."""

    rank: bytes
    completed_at: datetime
    quantity: int
    cents: int
    currency: str
    ticket_type: str
    sponsor_id: str | None


@dataclass(frozen=True, slots=True)
class Refunded:
    """The greatest quantity and the greatest amount refunded in one currency, each over all refunds."""

    quantity: int = 0
    cents: int = 0


@dataclass(frozen=True, slots=True)
class Dispute:
    """One dispute_closed."""

    rank: bytes
    outcome: str


@dataclass(frozen=True, slots=True)
class OrderState:
    """All that counts of an order's facts; by default, of an order without facts.

    Refunds are kept in every currency, because a completion of greater rank may change the order's own.
    """

    checkout_started: bool = False
    completion: Completion | None = None
    refunds: Mapping[str, Refunded] = field(default_factory=dict)
    dispute: Dispute | None = None

    @property
    def net_quantity(self) -> int:
        """Tickets sold and kept: never below 0, 0 while the dispute is lost. Above 0, the order counts."""
        if self.completion is None or self._is_lost:
            return 0
        return max(0, self.completion.quantity - self._refunded(self.completion).quantity)

    @property
    def net_cents(self) -> int:
        """Cents earned and kept, in the completion's currency: never below 0, 0 while the dispute is lost."""
        if self.completion is None or self._is_lost:
            return 0
        return max(0, self.completion.cents - self._refunded(self.completion).cents)

    @property
    def _is_lost(self) -> bool:
        return self.dispute is not None and self.dispute.outcome == "lost"

    def _refunded(self, completion: Completion) -> Refunded:
        return self.refunds.get(completion.currency, Refunded())


def state_of(event: Event[Any]) -> OrderState:
    """Return the state of an order of which `event` is the only fact; a check-in says nothing about it."""
    match event.data:
        case CheckoutStarted():
            return OrderState(checkout_started=True)
        case OrderCompleted() as data:
            return OrderState(
                completion=Completion(
                    event.rank,
                    event.time,
                    data.quantity,
                    data.amount_cents,
                    data.currency,
                    data.ticket_type,
                    data.sponsor_id,
                )
            )
        case OrderRefunded() as data:
            refunded = Refunded(data.refunded_quantity, data.refunded_cents)
            return OrderState(refunds={data.currency: refunded})
        case DisputeClosed() as data:
            return OrderState(dispute=Dispute(event.rank, data.outcome))
    return OrderState()


def join(a: OrderState, b: OrderState) -> OrderState:
    """Return the state of both sets of facts: the greater of each part.

    Commutative, associative and idempotent, as maxima are; facts of equal rank are the same fact.
    """
    return OrderState(
        a.checkout_started or b.checkout_started,
        _greater(a.completion, b.completion),
        _join_refunds(a.refunds, b.refunds),
        _greater(a.dispute, b.dispute),
    )


def fold(state: OrderState, events: Iterable[Event[Any]]) -> OrderState:
    """Return `state` with the facts of one order joined to it, in whatever order they come."""
    return reduce(join, map(state_of, events), state)


Ranked = TypeVar("Ranked", Completion, Dispute)


def _greater(a: Ranked | None, b: Ranked | None) -> Ranked | None:
    if a is None or b is None:
        return a or b
    return a if a.rank >= b.rank else b


def _join_refunds(a: Mapping[str, Refunded], b: Mapping[str, Refunded]) -> Mapping[str, Refunded]:
    joined = dict(a)
    for currency, theirs in b.items():
        ours = joined.get(currency, Refunded())
        joined[currency] = Refunded(max(ours.quantity, theirs.quantity), max(ours.cents, theirs.cents))
    return joined


def move(effects: Effects, event_id: str, old: OrderState, new: OrderState) -> None:
    """Take back what an order of the event contributed, and add what it contributes now."""
    _contribute(effects, event_id, old, -1)
    _contribute(effects, event_id, new, 1)


def _contribute(effects: Effects, event_id: str, order: OrderState, times: int) -> None:
    counters = effects.counters
    if order.checkout_started:
        counters[event_id, "checkouts", ""] += times
    completion = order.completion
    if completion is None:
        return
    counters[event_id, "completed_orders", completion.currency] += times
    counters[event_id, "gross_revenue", completion.currency] += times * completion.cents
    counters[event_id, "net_revenue", completion.currency] += times * order.net_cents
    net_quantity = order.net_quantity
    if net_quantity == 0:
        return
    counters[event_id, "orders", ""] += times
    counters[event_id, "tickets", ""] += times * net_quantity
    counters[event_id, "tickets_by_type", completion.ticket_type] += times * net_quantity
    if completion.sponsor_id is not None:
        day = completion.completed_at.date()
        effects.signals[completion.sponsor_id, event_id, "ticket_order", day] += times


def count(effects: Effects, events: Sequence[Event[Any]]) -> None:
    """Count the facts themselves, and the views of each event's page with the earliest time of one."""
    for event_id, facts in Counter([event.data.event_id for event in events]).items():
        effects.counters[event_id, "ticketing_facts", ""] += facts
    views: defaultdict[str, list[datetime]] = defaultdict(list)
    for event in events:
        if type(event.data) is PageViewed:
            views[event.data.event_id].append(event.time)
    for event_id, times in views.items():
        counter = (event_id, "views", "")
        effects.counters[counter] += len(times)
        effects.seen_at(counter, min(times))


FACT_COLUMNS = (
    "event_id", "source", "id", "type", "occurred_at",
    "session_id", "order_id", "quantity", "amount_cents", "currency", "ticket_type", "sponsor_id", "channel",
    "refunded_quantity", "refunded_cents", "outcome", "ticket_id",
)  # fmt: skip


def fact(event: Event[Any]) -> tuple[Any, ...]:
    """Return the row of ticket_events that keeps the event, by FACT_COLUMNS; what its type lacks is null."""
    given = asdict(event.data).get
    amount, refunded = given("amount"), given("refunded_amount")
    return (
        given("event_id"), event.source, event.id, event.name, event.time,
        given("session_id"), given("order_id"), given("quantity"), amount and cents(amount), given("currency"),
        given("ticket_type"), given("sponsor_id"), given("channel"),
        given("refunded_quantity"), refunded and cents(refunded), given("outcome"), given("ticket_id"),
    )  # fmt: skip
