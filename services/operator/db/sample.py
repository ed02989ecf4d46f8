"""One event's rows as they might be, to measure what they take. Pure: the same seed gives the same rows.

Numbers of rows and estimates are those of the database design that EventOS began with; texts are as long as it
describes them, of words with the variety of prose, so that they compress as such.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

Row = dict[str, Any]
_SINCE = datetime(2026, 3, 1, 9, tzinfo=UTC)
_SYLLABLES = [first + second for first in "bcdfgklmnprstv" for second in "aeio"]
_VOCABULARY = 2000
_ACTIVITIES = (
    "website_visited",
    "package_viewed",
    "proposal_viewed",
    "deck_downloaded",
    "enquiry_submitted",
    "note_added",
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A table's rows: how many an event has, what the design estimated each to take (KB), and how one is made."""

    rows: int
    estimated_kb: float | None
    make: Callable[["Pen"], Row]


class Pen:
    """Writes values of every kind."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 - made-up rows, not secrets
        choice = self.random.choice
        words = ("".join(choice(_SYLLABLES) for _ in range(self.random.randint(1, 5))) for _ in range(_VOCABULARY))
        self._words = sorted(set(words), key=len)  # the frequent ones are short, as in prose
        self._few = [self.id() for _ in range(50)]

    def id(self) -> str:
        """A new id."""
        return str(UUID(int=self.random.getrandbits(128), version=4))

    def known(self) -> str:
        """The id of a row that others name too."""
        return self.random.choice(self._few)

    def text(self, words: int) -> str:
        """Prose of so many words, about six characters each."""
        count = len(self._words)
        return " ".join(self._words[int(count * self.random.random() ** 1.5)] for _ in range(words))

    def moment(self) -> datetime:
        """A time in the months before the event."""
        return _SINCE + timedelta(microseconds=self.random.randrange(120 * 24 * 3600 * 10**6))

    def number(self, most: int) -> int:
        """A whole number from 0 to `most`."""
        return self.random.randint(0, most)


def _sponsor(pen: Pen) -> Row:
    name = pen.text(2).title()
    return {
        "id": pen.id(), "created_by": pen.known(), "company_name": name, "industry": pen.text(1),
        "website": f"https://www.{name.replace(' ', '-')}.example", "logo_url": f"https://cdn.example/{pen.id()}.png",
        "industries_of_interest": pen.text(3).split(), "event_types": pen.text(2).split(),
        "geographic_preferences": pen.text(3).split(), "values": pen.text(3).split(),
        "min_budget": Decimal(5000), "max_budget": Decimal(50_000), "primary_contact_name": pen.text(2),
        "primary_contact_email": f"{pen.text(1)}@{pen.text(1)}.example", "primary_contact_phone": "+1 416 555 0100",
        "total_sponsorships": pen.number(5), "engagement_score": pen.number(100),
    }  # fmt: skip


def _proposal(pen: Pen) -> Row:
    sections = ("summary", "audience", "benefits", "packages", "activation", "media", "team", "terms")
    return {
        "event_id": pen.known(), "sponsor_id": pen.known(), "package_level": "gold", "status": "sent",
        "proposed_amount": Decimal(pen.number(100_000)), "sent_at": pen.moment(), "total_views": pen.number(20),
        "content": {name: {"title": pen.text(5), "body": pen.text(260)} for name in sections},
    }  # fmt: skip


def _activity(pen: Pen) -> Row:
    return {
        "id": pen.id(), "sponsor_id": pen.known(), "event_id": pen.known(), "created_at": pen.moment(),
        "activity_type": pen.random.choice(_ACTIVITIES),
        "metadata": {"page": f"/{pen.text(1)}", "referrer": pen.text(3), "note": pen.text(pen.number(60))},
    }  # fmt: skip


def _score(pen: Pen) -> Row:
    factors = [{"signal": pen.text(2), "points": pen.number(20_000)} for _ in range(5)]
    groups = {name: pen.number(30_000) for name in ("intent", "interest", "attention", "relationship")}
    return {
        "sponsor_id": pen.id(), "event_id": pen.id(), "score": pen.number(100), "priority": "warm",
        "conversion_probability": Decimal("0.35"), "recommended_actions": ["send_tailored_proposal"],
        "insights": {"fit": 60, "engagement": 40, "grade": "B2", "groups": groups, "top_factors": factors},
    }  # fmt: skip


def _workflow(pen: Pen) -> Row:
    steps = [
        {"id": f"step_{n}", "name": pen.text(4), "action": pen.text(2), "wait": "P2D", "template": pen.text(30)}
        for n in range(8)
    ]
    return {
        "event_id": pen.known(), "created_by": pen.known(), "name": pen.text(4), "workflow_type": "sponsor_outreach",
        "definition": {"trigger": {"type": "schedule"}, "steps": steps}, "status": "active", "steps_total": 8,
    }  # fmt: skip


def _log(pen: Pen) -> Row:
    return {
        "workflow_id": pen.known(), "step_id": f"step_{pen.number(8)}", "step_name": pen.text(4), "status": "completed",
        "result": {"sent": pen.number(50), "ids": [pen.id() for _ in range(10)], "summary": pen.text(120)},
        "duration_ms": pen.number(5000),
    }  # fmt: skip


def _sales(pen: Pen) -> Row:
    """Three in five are e-mails, as email_engagement writes them; the rest the agent's own work, which it explains."""
    row: Row = {"id": pen.id(), "agent_version": "1", "event_id": pen.known(), "sponsor_id": pen.known()}
    row |= {"created_at": pen.moment(), "status": "success"}
    if pen.random.random() < 0.6:
        told = {name: pen.moment().isoformat() for name in ("sent_at", "delivered_at", "opened_at")}
        mail = {"message_id": pen.id(), "campaign_id": pen.known(), "template_id": pen.known(), "sequence_id": None}
        return row | {"activity_type": "email_sent", "message_id": pen.id(), "input_data": mail, "output_data": told}
    return row | {
        "activity_type": "lead_qualification", "reasoning": pen.text(120),
        "input_data": {"question": pen.text(60), "sources": pen.text(20).split()},
        "output_data": {"findings": pen.text(120), "score": pen.number(100)},
        "duration_ms": pen.number(9000), "llm_tokens_used": pen.number(4000),
    }  # fmt: skip


def _marketing(pen: Pen) -> Row:
    before, after = ({name: pen.number(9999) for name in ("sent", "opened", "clicked", "sold")} for _ in range(2))
    return {
        "id": pen.id(), "event_id": pen.known(), "campaign_id": pen.known(), "activity_type": "subject_optimized",
        "metrics_before": before, "metrics_after": after, "reasoning": pen.text(100), "created_at": pen.moment(),
    }  # fmt: skip


def _campaign(pen: Pen) -> Row:
    channels = ("email", "whatsapp", "linkedin", "instagram", "website")
    content = {name: [{"title": pen.text(6), "body": pen.text(320)} for _ in range(5)] for name in channels}
    return {"event_id": pen.known(), "name": pen.text(4), "channels": list(channels), "content": content}


def _dashboard(pen: Pen) -> Row:
    figures = {name: pen.number(100_000) for name in ("views", "checkouts", "orders", "tickets", "checked_in")}
    labels = {name: pen.number(5000) for name in _ACTIVITIES}
    return {
        "event_id": pen.id(), "organizer_id": pen.known(), "funnel_metrics": figures, "engagement_metrics": labels,
        "metrics": {"net_revenue": {"EUR": "120500.00"}, "tickets_by_type": {pen.text(1): 900 for _ in range(6)}},
        "marketing_metrics": figures, "snapshots": [{"at": "2026-03-01T09:00:00Z", **figures} for _ in range(10)],
    }  # fmt: skip


def _identity(pen: Pen) -> Row:
    return {
        "identity": pen.id(), "source": "/mailer/eu-1", "id": pen.id(), "content_hash": pen.random.randbytes(16),
        "service": "email_engagement", "partition": 3, "record_offset": pen.number(10**6),
    }  # fmt: skip


def _mail_fact(pen: Pen) -> Row:
    return {
        "message_id": pen.known(), "source": "/mailer/eu-1", "id": pen.id(), "type": "opened",
        "occurred_at": pen.moment(), "sponsor_id": pen.known(), "event_id": pen.known(), "campaign_id": pen.known(),
        "recipient_hash": pen.random.randbytes(16).hex(),
    }  # fmt: skip


def _mail(pen: Pen) -> Row:
    rank = pen.random.randbytes(60)
    return {
        "message_id": pen.id(), "sponsor_id": pen.known(), "sponsor_rank": rank, "event_id": pen.known(),
        "event_rank": rank, "campaign_id": pen.known(), "campaign_rank": rank, "sent_at": pen.moment(),
        "delivered_at": pen.moment(), "opened_at": pen.moment(),
    }  # fmt: skip


KINDS: Mapping[str, Kind] = {
    "sponsors": Kind(50, 2, _sponsor),
    "sponsor_proposals": Kind(10, 15, _proposal),
    "sponsor_activities": Kind(200, 1, _activity),
    "automation_workflows": Kind(5, 3, _workflow),
    "workflow_execution_logs": Kind(100, 2, _log),
    "agent_sales_activities": Kind(500, 1.5, _sales),
    "agent_marketing_activities": Kind(200, 1, _marketing),
    "marketing_campaigns": Kind(1, 50, _campaign),
    "event_dashboards": Kind(1, 20, _dashboard),
    # What these rows bring along, which was not estimated: a score for each sponsor; for each of three in five sales
    # activities an e-mail of three facts; and an identity for each fact and activity.
    "sponsor_lead_scores": Kind(50, None, _score),
    "email_messages": Kind(300, None, _mail),
    "email_events": Kind(900, None, _mail_fact),
    "processed_events": Kind(1100, None, _identity),
}
"""The tables that are measured. Embeddings are made by the database, one for each sponsor."""
