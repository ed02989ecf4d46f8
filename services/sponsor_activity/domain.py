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
from services.runtime.effects import CounterKey, Effects, Mark, SignalKey

SIGNALS = LEAD_SIGNALS["sponsor_activity"]

Activity = tuple[str, str, str, str | None, str | None, dict[str, Any], datetime]
"""A row of sponsor_activities, in the order of ACTIVITY_COLUMNS; a plain tuple, as one is made of every event."""

ACTIVITY_COLUMNS = ("id", "sponsor_id", "activity_type", "event_id", "proposal_id", "metadata", "created_at")
"""`created_at` is the time of the event."""


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
    signals: list[SignalKey] = []
    counters: list[CounterKey] = []
    views: list[str] = []
    for event in events:
        data, name, time = event.data, event.name, event.time
        sponsor_id, event_id, proposal_id = data.sponsor_id, data.event_id, data.proposal_id
        outcome.activities.append((event.uuid(), sponsor_id, name, event_id, proposal_id, data.metadata or {}, time))
        if name in SIGNALS:
            signals.append((sponsor_id, event_id, name, time.date()))
        if event_id is not None:
            counters.append((event_id, "activities", name))
        if name == "proposal_viewed" and proposal_id is not None:
            # Counted for a proposal that nobody knows yet too: the view shows it once the row appears.
            views.append(proposal_id)
        if type(data) is SponsorshipSigned:
            outcome.sponsorships.append(_sponsorship(event, data))
    outcome.effects.signals.update(signals)
    outcome.effects.counters.update(counters)
    outcome.proposal_views.update(views)
    outcome.effects.marks.update(Mark("proposal_views", "proposal", viewed) for viewed in outcome.proposal_views)
    return outcome


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
