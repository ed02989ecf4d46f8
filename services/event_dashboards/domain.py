"""Rules of a dashboard: counters of one event in, its row, its milestones and what is told of them out. Pure.

README.md says where each figure comes from. Amounts come in cents and leave as strings with two decimals: no
float is ever near them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from contracts.derived import DashboardMilestoneReached, DashboardUpdated
from contracts.names import name_uuid
from services.runtime.effects import Derived

MARKETING_METRICS = (
    "sent",
    "delivered",
    "opened",
    "machine_opened",
    "clicked",
    "replied",
    "bounced",
    "complained",
    "unsubscribed",
)


class Milestone(StrEnum):
    """What is told once per event, in the order in which an event usually gets there."""

    FIRST_SALE = "first_sale"
    CAPACITY_50 = "capacity_50"
    CAPACITY_90 = "capacity_90"
    CAPACITY_100 = "capacity_100"


CAPACITY_PERCENT = MappingProxyType({Milestone.CAPACITY_50: 50, Milestone.CAPACITY_90: 90, Milestone.CAPACITY_100: 100})


@dataclass(frozen=True, slots=True)
class EventFacts:
    """What is known of one event: its own row, and its counters summed over shards, by (metric, label).

    No counter is negative: a shard may be, but a sum over all shards of one moment is not.
    """

    event_id: str
    organizer_id: str | None
    currency: str
    capacity: int | None
    counters: Mapping[tuple[str, str], int]
    first_view_at: datetime | None
    first_sale_at: datetime | None

    def count(self, metric: str, label: str = "") -> int:
        """Return one counter."""
        return self.counters.get((metric, label), 0)

    def by_label(self, metric: str) -> dict[str, int]:
        """Return the counters of `metric` above 0 by label, in the order of their labels."""
        return {label: n for (name, label), n in sorted(self.counters.items()) if name == metric and n > 0}


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A row of event_dashboards, without its history and the times at which it was written."""

    event_id: str
    organizer_id: str | None
    metrics: dict[str, dict[str, str] | dict[str, int]]
    funnel_metrics: dict[str, int]
    marketing_metrics: dict[str, int]
    engagement_metrics: dict[str, int]
    total_views: int
    total_tickets_sold: int
    total_revenue: str
    conversion_rate: str
    first_view_at: datetime | None
    first_sale_at: datetime | None

    @property
    def id(self) -> str:
        """The row's id: it follows from the event's, so that a dashboard made again is the same one."""
        return name_uuid(UUID(self.event_id).bytes, "event_dashboards")


def has_dashboard(facts: EventFacts) -> bool:
    """Whether any ticketing fact, sponsor activity or counted message belongs to the event."""
    return (
        facts.count("ticketing_facts") > 0
        or bool(facts.by_label("activities"))
        or any(facts.count(metric) > 0 for metric in MARKETING_METRICS)
    )


def dashboard(facts: EventFacts) -> Dashboard:
    """Compute the dashboard of an event; one without facts has zeros and empty objects."""
    views, orders = facts.count("views"), facts.count("orders")
    currencies = facts.by_label("completed_orders")
    return Dashboard(
        event_id=facts.event_id,
        organizer_id=facts.organizer_id,
        metrics={
            "gross_revenue": {code: money(facts.count("gross_revenue", code)) for code in currencies},
            "net_revenue": {code: money(facts.count("net_revenue", code)) for code in currencies},
            "tickets_by_type": facts.by_label("tickets_by_type"),
        },
        funnel_metrics={
            "views": views,
            "checkouts": facts.count("checkouts"),
            "orders": orders,
            "tickets": facts.count("tickets"),
            "checked_in": facts.count("checked_in"),
        },
        marketing_metrics={metric: n for metric in MARKETING_METRICS if (n := facts.count(metric)) > 0},
        engagement_metrics=facts.by_label("activities"),
        total_views=views,
        total_tickets_sold=facts.count("tickets"),
        total_revenue=money(facts.count("net_revenue", facts.currency)),
        conversion_rate=conversion_rate(orders, views),
        first_view_at=facts.first_view_at,
        first_sale_at=facts.first_sale_at,
    )


def money(cents: int) -> str:
    """Write an amount of 0 or more with two decimals: 1999 → "19.99"."""
    return f"{cents // 100}.{cents % 100:02}"


def conversion_rate(orders: int, views: int) -> str:
    """Counting orders per page view: at most 1, four decimals, half up; 0 without views."""
    if views == 0:
        return "0.0000"
    ten_thousandths = min((2 * 10_000 * orders + views) // (2 * views), 10_000)
    return f"{ten_thousandths // 10_000}.{ten_thousandths % 10_000:04}"


def milestones_reached(facts: EventFacts) -> list[Milestone]:
    """Name the milestones that hold now; whether one was told before is the caller's to know."""
    reached = [Milestone.FIRST_SALE] if facts.count("orders") > 0 else []
    if facts.capacity:
        sold = facts.count("tickets")
        reached += [it for it, percent in CAPACITY_PERCENT.items() if 100 * sold >= percent * facts.capacity]
    return reached


def updated(facts: EventFacts, row: Dashboard, *, removed: bool) -> Derived:
    """Tell how the dashboard of an event stands now, or that there is none any more."""
    return _derived(
        DashboardUpdated(
            event_id=row.event_id,
            removed=removed,
            total_views=row.total_views,
            total_tickets_sold=row.total_tickets_sold,
            total_revenue=row.total_revenue,
            currency=facts.currency,
            conversion_rate=row.conversion_rate,
            metrics=row.metrics,
            funnel_metrics=row.funnel_metrics,
            marketing_metrics=row.marketing_metrics,
            engagement_metrics=row.engagement_metrics,
        )
    )


def milestone_reached(facts: EventFacts, milestone: Milestone) -> Derived:
    """Tell that an event reached a milestone."""
    return _derived(
        DashboardMilestoneReached(
            event_id=facts.event_id,
            milestone=milestone.value,
            total_tickets_sold=facts.count("tickets"),
            capacity=facts.capacity,
        )
    )


def _derived(data: DashboardUpdated | DashboardMilestoneReached) -> Derived:
    return Derived(data.TOPIC.name, data.partition_key, data.TYPE, data.model_dump_json().encode())
