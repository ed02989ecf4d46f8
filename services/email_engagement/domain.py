"""What became of an e-mail: the state of a message, and all that follows from it.

A message's facts come in any order and from several partitions. Its state is their join: the earliest of each time,
the value of least rank of each attribute; so order, grouping and repetition never matter. What a message adds to the
world is a function of its state; when the state moves, all of that moves with it, by new − old.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from contracts.derived import AgentActivityRecorded
from contracts.envelope import Event
from services.runtime.effects import CounterKey, Derived, Effects, Mark, SignalKey

SubjectKey = tuple[str, str, str]
"""(campaign | template | sequence, its id, metric): the key of a counter that the view email_subjects adds up."""

AGENT_ID = "email_engagement"
AGENT_VERSION = "rule-based-1"
"""Says that no model had a part in an activity."""

_ACTIVITY_IDS = UUID("5b0a6f0e-6f0d-5c39-9e0c-3a8d5c1f7e42")
"""Namespace of the ids of activities."""


class MessageState(NamedTuple):
    """What is known of one message; its fields, in this order, are the columns of email_messages.

    Times are the earliest known, in UTC; opens and clicks are those of persons unless they say machine. Beside each
    attribute stands the rank of the fact that gave it. (A tuple, since thousands a second are read and written.)
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
_ATTRIBUTES = tuple((at, name) for name, at in _AT.items() if name.endswith("_id") and name != "message_id")
_TIMES = tuple((at, name) for name, at in _AT.items() if name.endswith("_at"))

_SIGNALS = tuple(
    (_AT[time], signal)
    for time, signal in {
        "opened_at": "email_opened",
        "clicked_at": "email_clicked",
        "replied_at": "email_replied",
        "hard_bounced_at": "email_hard_bounced",
        "complained_at": "email_complained",
        "unsubscribed_at": "email_unsubscribed",
    }.items()
)
_COUNTERS = tuple((at, name.removesuffix("_at")) for at, name in _TIMES if name != "hard_bounced_at")


def fold(state: MessageState, events: Iterable[Event[Any]]) -> MessageState:
    """Join `state` with the facts of its message: in any order, any number of times, the result is the same."""
    fields: list[Any] = list(state)
    for event in events:
        for at in _times_told(event):
            _keep_earliest(fields, at, event.time)
        rank = event.rank
        for at, name in _ATTRIBUTES:
            _keep_least(fields, at, getattr(event.data, name), rank)
    return MessageState._make(fields)


def join(one: MessageState, other: MessageState) -> MessageState:
    """Return the state of all facts behind `one` and `other`: commutative, associative, idempotent."""
    fields: list[Any] = list(one)
    for at, _ in _TIMES:
        _keep_earliest(fields, at, other[at])
    for at, _ in _ATTRIBUTES:
        _keep_least(fields, at, other[at], other[at + 1])
    return MessageState._make(fields)


def _times_told(event: Event[Any]) -> tuple[int, ...]:
    """Which times of its message `event` tells: none, if a machine clicked."""
    match event.name:
        case "opened" if event.data.machine:
            return (_AT["machine_opened_at"],)
        case "clicked" if event.data.machine:
            return ()
        case "bounced" if event.data.bounce_kind == "hard":
            return (_AT["bounced_at"], _AT["hard_bounced_at"])
        case name:
            return (_AT[f"{name}_at"],)


def _keep_earliest(fields: list[Any], at: int, time: datetime | None) -> None:
    known = fields[at]
    if time is not None and (known is None or time < known):
        fields[at] = time


def _keep_least(fields: list[Any], at: int, value: str | None, rank: bytes | None) -> None:
    if value is not None and (fields[at] is None or rank < fields[at + 1]):
        fields[at], fields[at + 1] = value, rank


class Contributions(NamedTuple):
    """The counts that a message stands in. It counts once in each, so they are sets."""

    signals: frozenset[SignalKey]
    counters: frozenset[CounterKey]
    subjects: frozenset[SubjectKey]


def contributions(state: MessageState) -> Contributions:
    """Say what `state` is counted in: its sponsor's signals, its event's dashboard, its subjects."""
    sponsor, event = state.sponsor_id, state.event_id
    return Contributions(
        frozenset((sponsor, event, signal, state[at].date()) for at, signal in _SIGNALS if sponsor and state[at]),
        frozenset((event, metric, "") for at, metric in _COUNTERS if event and state[at]),
        frozenset(_subjects(state)),
    )


def _subjects(state: MessageState) -> Iterable[SubjectKey]:
    """Count a message under its campaign, template and sequence; replies and stops also where no `sent` is known."""
    if state.campaign_id and state.sent_at:
        yield "campaign", state.campaign_id, "sent"
    if state.template_id and state.sent_at:
        yield "template", state.template_id, "sent"
    if state.template_id and state.opened_at:
        yield "template", state.template_id, "opened"
    if state.sequence_id and state.sent_at:
        yield "sequence", state.sequence_id, "sent"
    if state.sequence_id and state.replied_at:
        yield "sequence", state.sequence_id, "replied"
    if state.sequence_id and (state.hard_bounced_at or state.complained_at or state.unsubscribed_at):
        yield "sequence", state.sequence_id, "stopped"


def refusing_sponsor(state: MessageState) -> str | None:
    """The sponsor who, by this message, wants no more e-mail: it closes the sponsor's do_not_email gate."""
    return state.sponsor_id if state.unsubscribed_at or state.complained_at else None


class Activity(NamedTuple):
    """A row of agent_sales_activities; its fields, in this order, are the columns that this service writes."""

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
    """Return the activity that a message is: it has a sponsor and was sent, or it is none."""
    if state.sponsor_id is None or state.sent_at is None:
        return None
    status = _status(state)
    escalated = status == "escalated"
    return Activity(
        id=str(uuid5(_ACTIVITY_IDS, state.message_id)),
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
        output_data={name: state[at] for at, name in _TIMES if state[at] is not None},
        status=status,
        required_human_review=escalated,
        escalation_reason="sponsor_replied" if escalated else None,
    )


def _status(state: MessageState) -> str:
    if state.hard_bounced_at or state.complained_at:
        return "failed"
    if state.replied_at:
        return "escalated"
    if state.delivered_at or state.opened_at or state.clicked_at:
        return "success"
    return "pending"


class Change(NamedTuple):
    """The state of a message before and after a batch, and the trace of the batch's last fact that had one."""

    old: MessageState
    new: MessageState
    traceparent: str | None = None


@dataclass(slots=True)
class Outcome:
    """What the changes of a batch do: effects for the runtime, and what this service writes itself.

    `obsolete` are the keys (id, created_at) of activities to delete; they come again in `activities` where an
    earlier `sent` moved them.
    """

    effects: Effects = field(default_factory=Effects)
    subjects: Counter[SubjectKey] = field(default_factory=Counter)
    obsolete: list[tuple[str, datetime]] = field(default_factory=list)
    activities: list[Activity] = field(default_factory=list)


def outcome(changes: Iterable[Change]) -> Outcome:
    """Add up what `changes` do; a change counts new − old."""
    total = Outcome()
    for change in changes:
        _add_counts(total, contributions(change.old), contributions(change.new))
        _add_gate(total, refusing_sponsor(change.old), refusing_sponsor(change.new))
        _add_activity(total, activity(change.old), activity(change.new), change.traceparent)
    moved = {(subject, key) for (subject, key, _), n in total.subjects.items() if n}
    total.effects.marks |= {Mark("email_subjects", subject, key) for subject, key in moved}
    return total


def _add_counts(total: Outcome, old: Contributions, new: Contributions) -> None:
    tallies: tuple[Counter[Any], ...] = (total.effects.signals, total.effects.counters, total.subjects)
    for tally, before, after in zip(tallies, old, new, strict=True):
        for key in after - before:
            tally[key] += 1
        for key in before - after:
            tally[key] -= 1


def _add_gate(total: Outcome, old: str | None, new: str | None) -> None:
    """Mark all pairs of the sponsors whose do_not_email gate this message may have closed or opened."""
    if old != new:
        total.effects.marks |= {Mark("lead_scores", "sponsor", sponsor) for sponsor in (old, new) if sponsor}


def _add_activity(total: Outcome, old: Activity | None, new: Activity | None, traceparent: str | None) -> None:
    """Write an activity that changed; tell of one that is new or has another status."""
    if new is None or new == old:
        return
    total.activities.append(new)
    if old and old.created_at != new.created_at:
        total.obsolete.append((old.id, old.created_at))
    if old is None or old.status != new.status:
        total.effects.derived.append(_recorded(new, old.status if old else None, traceparent))


def _recorded(activity: Activity, previous_status: str | None, traceparent: str | None) -> Derived:
    data = AgentActivityRecorded(
        activity_id=activity.id,
        activity_type=activity.activity_type,
        agent_id=activity.agent_id,
        message_id=activity.message_id,
        event_id=activity.event_id,
        sponsor_id=activity.sponsor_id,
        status=activity.status,
        previous_status=previous_status,
        required_human_review=activity.required_human_review,
        escalation_reason=activity.escalation_reason,
        created_at=activity.created_at,
    )
    return Derived(data.TOPIC.name, data.partition_key, data.TYPE, data.model_dump_json().encode(), traceparent)
