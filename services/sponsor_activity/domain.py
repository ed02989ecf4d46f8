"""What a sponsor's activity means: the rows it leaves, and what it adds to leads, dashboards and proposals.

Each event stands for itself, so nothing depends on their order.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from contracts.envelope import Event
from contracts.lead_signals import LEAD_SIGNALS
from contracts.sponsor_activity import SponsorActivity, SponsorshipSigned
from services.runtime.effects import Effects, Mark

SIGNALS = LEAD_SIGNALS["sponsor_activity"]


class Activity(NamedTuple):
    """A row of sponsor_activities; `created_at` is the time of the event."""

    id: str
    sponsor_id: str
    activity_type: str
    event_id: str | None
    proposal_id: str | None
    metadata: dict[str, Any]
    created_at: datetime


class Sponsorship(NamedTuple):
    """A row of sponsorships. A pair has one for each signing, so its id is the signing's."""

    id: str
    event_id: str
    sponsor_id: str
    package_level: str
    amount: Decimal
    currency: str
    status: str
    signed_at: datetime


@dataclass(slots=True)
class Outcome:
    """What a batch of activities leaves behind."""

    activities: list[Activity] = field(default_factory=list)
    sponsorships: list[Sponsorship] = field(default_factory=list)
    proposal_views: Counter[str] = field(default_factory=Counter)
    effects: Effects = field(default_factory=Effects)


def fold(events: Iterable[Event[SponsorActivity]]) -> Outcome:
    """Return what the events leave behind, each counted once, in whatever order they come."""
    outcome = Outcome()
    effects = outcome.effects
    for event in events:
        data, name = event.data, event.name
        outcome.activities.append(_activity(event, name))
        if name in SIGNALS:
            effects.signals[data.sponsor_id, data.event_id, name, event.time.date()] += 1
        if data.event_id is not None:
            effects.counters[data.event_id, "activities", name] += 1
        if name == "proposal_viewed" and data.proposal_id is not None:
            # Counted for a proposal that nobody knows yet too: the view shows it once the row appears.
            outcome.proposal_views[data.proposal_id] += 1
            effects.marks.add(Mark("proposal_views", "proposal", data.proposal_id))
        if isinstance(data, SponsorshipSigned):
            outcome.sponsorships.append(_sponsorship(event, data))
    return outcome


def _activity(event: Event[SponsorActivity], name: str) -> Activity:
    data = event.data
    return Activity(
        event.uuid(), data.sponsor_id, name, data.event_id, data.proposal_id, data.metadata or {}, event.time
    )


def _sponsorship(event: Event[SponsorActivity], data: SponsorshipSigned) -> Sponsorship:
    return Sponsorship(
        event.uuid("sponsorship"),
        data.event_id,
        data.sponsor_id,
        data.package_level,
        Decimal(data.amount),
        data.currency,
        "signed",
        event.time,
    )
