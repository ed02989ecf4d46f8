"""What became of an e-mail: the state of a message, and all that follows from it.

A message's facts come in any order and from several partitions. Its state is their join: the earliest of each
time, the value of least rank of each attribute. So order, grouping, repetition never matter. What a message
adds to the world is a function of its state; when the state moves, all of that moves with it, by new − old.
"""

from collections.abc import Iterable
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

from contracts.envelope import Event
from contracts.names import name_uuid
from services.runtime.effects import CounterKey, SignalKey

SubjectKey = tuple[str, str, str]
"""(campaign | template | sequence, its id, metric): the key of a counter that email_subjects adds up."""

AGENT_ID = "email_engagement"
AGENT_VERSION = "rule-based-1"
"""Says that no model had a part in an activity."""

_ACTIVITY_IDS = UUID("0d6f3c62-5b1e-5f0a-8c37-2a9e4f7b6d15").bytes
"""The namespace in which a message's id names its activity."""


class MessageState(NamedTuple):
    """What is known of one message; its fields, in this order, are columns of email_messages.

    Times are the earliest known, in UTC; an open or click is a person's unless it says machine. Beside each
    attribute stands the rank of the fact that gave it. A tuple, as rows are made of it by the thousand.
    """

    message_id: str
    sponsor_id: str | None = None
    sponsor_rank: bytes | None = None
    event_id: str | None = None
    event_rank: bytes | None = None
    campaign_id: str | None = None
    campaign_rank: bytes | None = None
    template_id: str | None = None
    template_rank: bytes | None = None
    sequence_id: str | None = None
    sequence_rank: bytes | None = None
    sent_at: datetime | None = None
    delivered_at: datetime | None = None
    opened_at: datetime | None = None
    machine_opened_at: datetime | None = None
    clicked_at: datetime | None = None
    replied_at: datetime | None = None
    bounced_at: datetime | None = None
    hard_bounced_at: datetime | None = None
    complained_at: datetime | None = None
    unsubscribed_at: datetime | None = None


_AT = {name: at for at, name in enumerate(MessageState._fields)}
_ATTRIBUTES = {name: at for name, at in _AT.items() if name.endswith("_id") and name != "message_id"}
_PLACES, _attributes_of = tuple(_ATTRIBUTES.values()), attrgetter(*_ATTRIBUTES)
_TIMES = tuple((at, name) for name, at in _AT.items() if name.endswith("_at"))

_TOLD_BY = {name.removesuffix("_at"): (at,) for at, name in _TIMES}
"""The times that facts tell of, by their names, but for those of machines and hard bounces."""
_OPENED_BY_MACHINE = (_AT["machine_opened_at"],)
_BOUNCED_HARD = (_AT["bounced_at"], _AT["hard_bounced_at"])

_COUNTED_AS = {
    "sent_at": ("sent", None),
    "delivered_at": ("delivered", None),
    "opened_at": ("opened", "email_opened"),
    "machine_opened_at": ("machine_opened", None),
    "clicked_at": ("clicked", "email_clicked"),
    "replied_at": ("replied", "email_replied"),
    "bounced_at": ("bounced", None),
    "hard_bounced_at": (None, "email_hard_bounced"),
    "complained_at": ("complained", "email_complained"),
    "unsubscribed_at": ("unsubscribed", "email_unsubscribed"),
}
"""The dashboard counter and the lead signal that each time stands for."""
_COUNTED_AT = tuple((at, *_COUNTED_AS[name]) for at, name in _TIMES)


def fold(state: MessageState, facts: Iterable[Event[Any]]) -> MessageState:
    """Join `state` with facts of its message: in any order and however often, the result is the same."""
    fields: list[Any] = list(state)
    for fact in facts:
        time, rank = fact.time, fact.rank
        for at in _times_told(fact.name, fact.data):
            if fields[at] is None or time < fields[at]:
                fields[at] = time
        for at, value in zip(_PLACES, _attributes_of(fact.data), strict=True):
            if value is not None and (fields[at] is None or rank < fields[at + 1]):
                fields[at], fields[at + 1] = value, rank
    return MessageState._make(fields)


def _times_told(name: str, data: Any) -> tuple[int, ...]:
    """Which times a fact tells of; a machine's click none: it is only kept."""
    match name:
        case "opened" if data.machine:
            return _OPENED_BY_MACHINE
        case "clicked" if data.machine:
            return ()
        case "bounced" if data.bounce_kind == "hard":
            return _BOUNCED_HARD
    return _TOLD_BY[name]


class Contributions(NamedTuple):
    """The counts that a message stands in; it counts once in each."""

    signals: set[SignalKey]
    counters: set[CounterKey]
    subjects: set[SubjectKey]


def contributions(state: MessageState) -> Contributions:
    """Say where a message counts: in its sponsor's signals, on its event's dashboard, for its subjects."""
    sponsor, event = state.sponsor_id, state.event_id
    signals: set[SignalKey] = set()
    counters: set[CounterKey] = set()
    fields: tuple[Any, ...] = state
    for at, metric, signal in _COUNTED_AT:
        time = fields[at]
        if time is None:
            continue
        if sponsor and signal:
            signals.add((sponsor, event, signal, time.date()))
        if event and metric:
            counters.add((event, metric, ""))
    return Contributions(signals, counters, _subjects(state))


def _subjects(state: MessageState) -> set[SubjectKey]:
    subjects: set[SubjectKey] = set()
    sent = state.sent_at
    if (campaign := state.campaign_id) and sent:
        subjects.add(("campaign", campaign, "sent"))
    if template := state.template_id:
        if sent:
            subjects.add(("template", template, "sent"))
        if state.opened_at:
            subjects.add(("template", template, "opened"))
    if sequence := state.sequence_id:
        if sent:
            subjects.add(("sequence", sequence, "sent"))
        if state.replied_at:
            subjects.add(("sequence", sequence, "replied"))
        if state.hard_bounced_at or state.complained_at or state.unsubscribed_at:
            subjects.add(("sequence", sequence, "stopped"))
    return subjects


def refusing_sponsor(state: MessageState) -> str | None:
    """The sponsor whose do_not_email gate this message closes, if it does."""
    return state.sponsor_id if state.unsubscribed_at or state.complained_at else None


class Activity(NamedTuple):
    """A row of agent_sales_activities; its fields are the columns that this service writes."""

    id: str
    created_at: datetime
    message_id: str
    agent_id: str
    agent_version: str
    activity_type: str
    event_id: str | None
    sponsor_id: str
    input_data: dict[str, Any]
    output_data: dict[str, Any]
    status: str
    required_human_review: bool
    escalation_reason: str | None


def activity(state: MessageState) -> Activity | None:
    """Return the activity that a message is, once it has a sponsor and was sent."""
    if state.sponsor_id is None or state.sent_at is None:
        return None
    status = status_of(state)
    escalated = status == "escalated"
    return Activity(
        id=name_uuid(_ACTIVITY_IDS, state.message_id),
        created_at=state.sent_at,
        message_id=state.message_id,
        agent_id=AGENT_ID,
        agent_version=AGENT_VERSION,
        activity_type="follow_up_sent" if state.sequence_id else "email_sent",
        event_id=state.event_id,
        sponsor_id=state.sponsor_id,
        input_data={
            "message_id": state.message_id,
            "campaign_id": state.campaign_id,
            "template_id": state.template_id,
            "sequence_id": state.sequence_id,
        },
        output_data={name: state[at] for at, name in _TIMES if state[at]},
        status=status,
        required_human_review=escalated,
        escalation_reason="sponsor_replied" if escalated else None,
    )


def status_of(state: MessageState) -> str:
    """Say how an e-mail that was sent fared."""
    if state.hard_bounced_at or state.complained_at:
        return "failed"
    if state.replied_at:
        return "escalated"
    if state.delivered_at or state.opened_at or state.clicked_at:
        return "success"
    return "pending"
