"""However facts of orders are shuffled, repeated and batched, they give the same states and the same sums."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from contracts.envelope import Event
from services.runtime.effects import Effects
from services.ticket_sales.domain import OrderKey, OrderState, fold, join, move, state_of
from tests.support.facts import ticketing

EVENTS = ["35bf992d-c9e9-4616-a12e-7696a6cecc1b", "619699cf-e198-4ad9-b06c-144a025b413f"]
SPONSORS = ["07923986-bb96-4a43-bd5c-8dfc5eda92d8", "3b1a11df-587f-4280-bbab-6c398d88348a", None]

of_one_order = {"event_id": st.sampled_from(EVENTS), "order_id": st.sampled_from(["o-1", "o-2"])}
money = st.integers(0, 2000).map(lambda cents: f"{cents // 100}.{cents % 100:02}")
currency = st.sampled_from(["EUR", "USD"])
data_by_name: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "checkout_started": {},
    "order_completed": {
        "quantity": st.integers(1, 4),
        "amount": money,
        "currency": currency,
        "ticket_type": st.sampled_from(["standard", "vip"]),
        "sponsor_id": st.sampled_from(SPONSORS),
    },
    "order_refunded": {
        "refunded_quantity": st.integers(0, 4),
        "refunded_amount": money,
        "currency": currency,
    },
    "dispute_closed": {"outcome": st.sampled_from(["won", "lost"])},
    "attendee_checked_in": {"ticket_id": st.sampled_from(["t-1", "t-2"])},
}


@st.composite
def facts(draw: st.DrawFn) -> Event[Any]:
    """One fact; times are few, so that ranks are settled by source and id too."""
    name = draw(st.sampled_from(list(data_by_name)))
    data = draw(st.fixed_dictionaries({**of_one_order, **data_by_name[name]}))
    minute, source = draw(st.sampled_from([0, 1, 800, 1600])), draw(st.sampled_from(["/a", "/b"]))
    return ticketing(name, minute=minute, source=source, **data)


def settle(batches: Sequence[Sequence[Event[Any]]]) -> tuple[dict[OrderKey, OrderState], Effects]:
    """Take the batches one after the other, as the service does; return the states and the sums."""
    orders: defaultdict[OrderKey, OrderState] = defaultdict(OrderState)
    sums = Effects()
    for batch in batches:
        for key in dict.fromkeys((event.data.event_id, event.data.order_id) for event in batch):
            of_order = [event for event in batch if (event.data.event_id, event.data.order_id) == key]
            old, orders[key] = orders[key], fold(orders[key], of_order)
            move(sums, key[0], old, orders[key])
    return dict(orders), sums


@given(st.lists(facts(), max_size=14), st.data())
def test_any_order_repetition_and_batching_gives_the_same_states_and_sums(
    happened: list[Event[Any]], data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from(happened), max_size=4)) if happened else []
    arrived = data.draw(st.permutations([*happened, *again]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(arrived)), max_size=4)))
    batches = [arrived[start:end] for start, end in zip([0, *cuts], [*cuts, len(arrived)], strict=True)]

    orders, sums = settle([happened])
    orders_as_arrived, sums_as_arrived = settle(batches)

    assert orders_as_arrived == orders
    assert sums_as_arrived.counters == sums.counters
    assert sums_as_arrived.signals == sums.signals
    assert all(n >= 0 for n in (*sums.counters.values(), *sums.signals.values()))


states = st.lists(facts(), max_size=5).map(lambda happened: fold(OrderState(), happened))


@given(states, states, states)
def test_joining_states_is_commutative_associative_and_idempotent(a: OrderState, b: OrderState, c: OrderState) -> None:
    assert join(a, b) == join(b, a)
    assert join(join(a, b), c) == join(a, join(b, c))
    assert join(a, a) == a
    assert join(a, OrderState()) == a


@given(facts())
def test_a_fact_is_an_order_of_which_nothing_else_is_known(fact: Event[Any]) -> None:
    assert fold(OrderState(), [fact, fact]) == state_of(fact)
