"""What the figures of a dashboard are made of."""

from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest

from services.event_dashboards.domain import (
    MARKETING_METRICS,
    EventFacts,
    Milestone,
    conversion_rate,
    dashboard,
    has_dashboard,
    milestone_reached,
    milestones_reached,
    money,
    updated,
)

NOTHING = EventFacts(
    event_id="35bf992d-c9e9-4616-a12e-7696a6cecc1b",
    organizer_id="cd613e30-d8f1-4adf-91b7-584a2265b1f5",
    currency="EUR",
    capacity=None,
    counters={},
    first_view_at=None,
    first_sale_at=None,
)


def facts(counters: dict[tuple[str, str] | str, int], *, capacity: int | None = None) -> EventFacts:
    """Facts of an event in euros; a counter without label is given by its metric alone."""
    keyed = {(key, "") if isinstance(key, str) else key: n for key, n in counters.items()}
    return replace(NOTHING, counters=keyed, capacity=capacity)


def test_a_dashboard_shows_what_its_counters_say() -> None:
    viewed, sold = datetime(2026, 9, 9, tzinfo=UTC), datetime(2026, 9, 22, tzinfo=UTC)
    known = replace(
        facts(
            {
                "ticketing_facts": 60,
                "views": 29,
                "checkouts": 4,
                "orders": 2,
                "tickets": 10,
                "checked_in": 11,
                ("completed_orders", "USD"): 1,
                ("completed_orders", "GBP"): 1,
                ("gross_revenue", "USD"): 29994,
                ("gross_revenue", "GBP"): 29994,
                ("net_revenue", "USD"): 19996,
                ("net_revenue", "GBP"): 29994,
                ("tickets_by_type", "vip"): 10,
                "sent": 8,
                "opened": 3,
                ("activities", "website_visited"): 6,
                ("activities", "proposal_viewed"): 2,
            }
        ),
        currency="USD",
        first_view_at=viewed,
        first_sale_at=sold,
    )

    shown = dashboard(known)

    assert shown.metrics == {
        "gross_revenue": {"GBP": "299.94", "USD": "299.94"},
        "net_revenue": {"GBP": "299.94", "USD": "199.96"},
        "tickets_by_type": {"vip": 10},
    }
    assert shown.funnel_metrics == {"views": 29, "checkouts": 4, "orders": 2, "tickets": 10, "checked_in": 11}
    assert shown.marketing_metrics == {"sent": 8, "opened": 3}
    assert shown.engagement_metrics == {"proposal_viewed": 2, "website_visited": 6}
    assert (shown.total_views, shown.total_tickets_sold, shown.total_revenue) == (29, 10, "199.96")
    assert shown.conversion_rate == "0.0690"
    assert (shown.first_view_at, shown.first_sale_at) == (viewed, sold)
    assert (shown.event_id, shown.organizer_id) == (known.event_id, known.organizer_id)


def test_without_orders_revenue_is_an_empty_object_and_the_funnel_has_every_step() -> None:
    shown = dashboard(facts({"ticketing_facts": 1, "views": 1}))

    assert shown.metrics == {"gross_revenue": {}, "net_revenue": {}, "tickets_by_type": {}}
    assert shown.funnel_metrics == {"views": 1, "checkouts": 0, "orders": 0, "tickets": 0, "checked_in": 0}
    assert (shown.marketing_metrics, shown.engagement_metrics, shown.total_revenue) == ({}, {}, "0.00")


def test_a_currency_whose_orders_were_all_refunded_stays_with_nothing_net() -> None:
    shown = dashboard(facts({("completed_orders", "EUR"): 2, ("gross_revenue", "EUR"): 500}))

    assert shown.metrics["gross_revenue"] == {"EUR": "5.00"}
    assert shown.metrics["net_revenue"] == {"EUR": "0.00"}


def test_a_currency_that_no_completed_order_has_any_more_is_not_shown() -> None:
    shown = dashboard(facts({("completed_orders", "EUR"): 0, ("completed_orders", "CHF"): 1}))

    assert shown.metrics["gross_revenue"] == {"CHF": "0.00"}


def test_total_revenue_is_in_the_currency_of_the_event_alone() -> None:
    sold = facts({("completed_orders", "GBP"): 1, ("net_revenue", "GBP"): 100})

    assert dashboard(sold).total_revenue == "0.00"
    assert dashboard(replace(sold, currency="GBP")).total_revenue == "1.00"


@pytest.mark.parametrize(
    ("cents", "text"), [(0, "0.00"), (5, "0.05"), (1999, "19.99"), (999_999_999_999, "9999999999.99")]
)
def test_money_has_two_decimals(cents: int, text: str) -> None:
    assert money(cents) == text


@pytest.mark.parametrize(
    ("orders", "views", "rate"),
    [
        (0, 0, "0.0000"),
        (3, 0, "0.0000"),
        (0, 5, "0.0000"),
        (1, 3, "0.3333"),
        (2, 3, "0.6667"),
        (1, 20_000, "0.0001"),  # exactly half of the last decimal
        (1, 20_001, "0.0000"),
        (7, 7, "1.0000"),
        (8, 7, "1.0000"),
        (19_999, 20_000, "1.0000"),
    ],
)
def test_conversion_is_orders_by_views_half_up_and_at_most_1(orders: int, views: int, rate: str) -> None:
    assert conversion_rate(orders, views) == rate


@pytest.mark.parametrize("counter", ["ticketing_facts", ("activities", "note_added"), *MARKETING_METRICS], ids=str)
def test_one_fact_of_any_kind_makes_a_dashboard(counter: tuple[str, str] | str) -> None:
    assert has_dashboard(facts({counter: 1}))
    assert not has_dashboard(facts({counter: 0}))


def test_an_event_without_facts_has_no_dashboard() -> None:
    assert not has_dashboard(NOTHING)


def test_the_id_of_a_dashboard_follows_from_its_event() -> None:
    assert dashboard(NOTHING).id == dashboard(facts({"views": 1})).id
    assert dashboard(NOTHING).id != dashboard(replace(NOTHING, event_id=NOTHING.organizer_id or "")).id


def test_nothing_is_reached_before_the_first_order_that_counts() -> None:
    assert milestones_reached(facts({"ticketing_facts": 3, "views": 3}, capacity=100)) == []


def test_the_first_order_that_counts_is_the_first_sale() -> None:
    assert milestones_reached(facts({"orders": 1, "tickets": 1}, capacity=100)) == [Milestone.FIRST_SALE]


@pytest.mark.parametrize(
    ("tickets", "reached"),
    [
        (100, []),
        (101, [Milestone.CAPACITY_50]),
        (180, [Milestone.CAPACITY_50]),
        (181, [Milestone.CAPACITY_50, Milestone.CAPACITY_90]),
        (200, [Milestone.CAPACITY_50, Milestone.CAPACITY_90]),
        (201, [Milestone.CAPACITY_50, Milestone.CAPACITY_90, Milestone.CAPACITY_100]),
        (500, [Milestone.CAPACITY_50, Milestone.CAPACITY_90, Milestone.CAPACITY_100]),
    ],
)
def test_half_ninety_percent_and_all_of_an_odd_capacity_are_reached_at_whole_tickets(
    tickets: int, reached: list[Milestone]
) -> None:
    known = facts({"orders": 1, "tickets": tickets}, capacity=201)

    assert milestones_reached(known) == [Milestone.FIRST_SALE, *reached]


@pytest.mark.parametrize("capacity", [None, 0])
def test_an_event_without_capacity_is_never_sold_out(capacity: int | None) -> None:
    known = facts({"orders": 1, "tickets": 1000}, capacity=capacity)

    assert milestones_reached(known) == [Milestone.FIRST_SALE]


def test_a_dashboard_is_told_as_it_stands_in_the_currency_of_its_event() -> None:
    known = facts({"ticketing_facts": 2, "views": 2, ("completed_orders", "EUR"): 1, ("net_revenue", "EUR"): 250})

    told = updated(known, dashboard(known), removed=False)

    assert (told.topic, told.key, told.type) == (
        "dashboard-updates",
        known.event_id,
        "eventos.dashboard.updated.v1",
    )
    data = orjson.loads(told.data or b"")
    assert (data["removed"], data["total_views"], data["total_revenue"], data["currency"]) == (
        False,
        2,
        "2.50",
        "EUR",
    )


def test_a_milestone_is_told_with_what_was_sold_of_which_capacity() -> None:
    told = milestone_reached(facts({"orders": 1, "tickets": 50}, capacity=99), Milestone.CAPACITY_50)

    assert (told.topic, told.key) == ("dashboard-updates", NOTHING.event_id)
    assert told.type == "eventos.dashboard.milestone_reached.v1"
    assert orjson.loads(told.data or b"") == {
        "event_id": NOTHING.event_id,
        "milestone": "capacity_50",
        "total_tickets_sold": 50,
        "capacity": 99,
    }
