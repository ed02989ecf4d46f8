"""What became of an e-mail: the state of a message, and all that follows from it.

A message's facts come in any order and from several partitions. Its state is their join: the earliest of each
time, the value of least rank of each attribute. So order, grouping, repetition never matter. What a message
adds to the world is a function of its state; when the state moves, all of that moves with it, by new − old.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from contracts.derived import AgentActivityRecorded
from contracts.envelope import Event
from services.runtime.effects import CounterKey, Derived, Effects, Mark, SignalKey

SubjectKey = tuple[str, str, str]
"""(campaign | template | sequence, its id, metric): the key of a counter that email_subjects adds up."""

AGENT_ID = "email_engagement"
AGENT_VERSION = "rule-based-1"
"""Says that no model had a part in an activity."""

_ACTIVITY_IDS = UUID("0d6f3c62-5b1e-5f0a-8c37-2a9e4f7b6d15")
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
_ATTRIBUTES = tuple((at, name) for name, at in _AT.items() if name.endswith("_id") and name != "message_id")
_TIMES = tuple((at, name.removesuffix("_at")) for name, at in _AT.items() if name.endswith("_at"))
_COUNTERS = tuple((at, name) for at, name in _TIMES if name != "hard_bounced")
_SIGNALS = tuple(
    (_AT[f"{name}_at"], f"email_{name}")
    for name in ("opened", "clicked", "replied", "hard_bounced", "complained", "unsubscribed")
)


def fold(state: MessageState, facts: Iterable[Event[Any]]) -> MessageState:
    """Join `state` with facts of its message: in any order and however often, the result is the same."""
    fields: list[Any] = list(state)
    for fact in facts:
        for at in _times_told(fact):
            _keep_earliest(fields, at, fact.time)
        data, rank = vars(fact.data), fact.rank
        for at, name in _ATTRIBUTES:
            _keep_least(fields, at, data[name], rank)
    return MessageState._make(fields)


def join(one: MessageState, other: MessageState) -> MessageState:
    """Return the state of all facts behind two states of a message: commutative, associative, idempotent."""
    fields: list[Any] = list(one)
    for at, _ in _TIMES:
        _keep_earliest(fields, at, other[at])
    for at, _ in _ATTRIBUTES:
        _keep_least(fields, at, other[at], other[at + 1])
    return MessageState._make(fields)


def _times_told(fact: Event[Any]) -> tuple[int, ...]:
    """Which times a fact tells of; a machine's click none: it is only kept."""
    match fact.name:
        case "opened" if fact.data.machine:
            return (_AT["machine_opened_at"],)
        case "clicked" if fact.data.machine:
            return ()
        case "bounced" if fact.data.bounce_kind == "hard":
            return _AT["bounced_at"], _AT["hard_bounced_at"]
        case name:
            return (_AT[f"{name}_at"],)


def _keep_earliest(fields: list[Any], at: int, time: Any) -> None:
    if time is not None and (fields[at] is None or time < fields[at]):
        fields[at] = time


def _keep_least(fields: list[Any], at: int, value: Any, rank: Any) -> None:
    if value is not None and (fields[at] is None or rank < fields[at + 1]):
        fields[at : at + 2] = value, rank


class Contributions(NamedTuple):
    """The counts that a message stands in; it counts once in each."""

    signals: frozenset[SignalKey]
    counters: frozenset[CounterKey]
    subjects: frozenset[SubjectKey]


def contributions(state: MessageState) -> Contributions:
    """Say where a message counts: in its sponsor's signals, on its event's dashboard, for its subjects."""
    sponsor, event, fields = state.sponsor_id, state.event_id, tuple[Any, ...](state)
    return Contributions(
        frozenset(
            (sponsor, event, name, fields[at].date()) for at, name in _SIGNALS if sponsor and fields[at]
        ),
        frozenset((event, name, "") for at, name in _COUNTERS if event and fields[at]),
        frozenset(_subjects(state)),
    )


def _subjects(state: MessageState) -> Iterator[SubjectKey]:
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
        output_data={f"{name}_at": state[at] for at, name in _TIMES if state[at]},
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
    """A message's state before and after, and the trace context that its change belongs to."""

    old: MessageState
    new: MessageState
    traceparent: str | None = None


@dataclass(slots=True)
class Outcome:
    """What changes of messages do: effects that the runtime writes, and what this service writes itself.

    `obsolete` are keys (id, created_at) of activities that an earlier `sent` moved to another created_at.
    """

    effects: Effects = field(default_factory=Effects)
    subjects: Counter[SubjectKey] = field(default_factory=Counter)
    activities: list[Activity] = field(default_factory=list)
    obsolete: list[tuple[str, datetime]] = field(default_factory=list)


def outcome(changes: Iterable[Change]) -> Outcome:
    """Add up what `changes` do."""
    total = Outcome()
    for old, new, traceparent in changes:
        _move_counts(total, contributions(old), contributions(new))
        gates = {refusing_sponsor(old), refusing_sponsor(new)}
        if len(gates) > 1:
            total.effects.marks |= {Mark("lead_scores", "sponsor", sponsor) for sponsor in gates if sponsor}
        _move_activity(total, activity(old), activity(new), traceparent)
    moved = {(subject, key) for (subject, key, _), n in total.subjects.items() if n}
    total.effects.marks |= {Mark("email_subjects", subject, key) for subject, key in moved}
    return total


def _move_counts(total: Outcome, old: Contributions, new: Contributions) -> None:
    tallies: tuple[Counter[Any], ...] = (total.effects.signals, total.effects.counters, total.subjects)
    for tally, before, after in zip(tallies, old, new, strict=True):
        for key in after - before:
            tally[key] += 1
        for key in before - after:
            tally[key] -= 1


def _move_activity(
    total: Outcome, old: Activity | None, new: Activity | None, traceparent: str | None
) -> None:
    """Write an activity that changed; tell of one that is new or has another status."""
    if new is None or new == old:
        return
    total.activities.append(new)
    if old and old.created_at != new.created_at:
        total.obsolete.append((old.id, old.created_at))
    if old is None or old.status != new.status:
        previous = old.status if old else None
        told = AgentActivityRecorded(activity_id=new.id, previous_status=previous, **new._asdict())
        data = told.model_dump_json().encode()
        total.effects.derived.append(
            Derived(told.TOPIC.name, told.partition_key, told.TYPE, data, traceparent)
        )
