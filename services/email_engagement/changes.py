"""What changes of messages do to the world: new − old of all that a message's state stands for, added up. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from contracts.derived import AgentActivityRecorded
from services.email_engagement.domain import (
    Activity,
    MessageState,
    SubjectKey,
    activity,
    contributions,
    refusing_sponsor,
    status_of,
)
from services.runtime.effects import Derived, Effects, Mark

_TOPIC, _TYPE = AgentActivityRecorded.TOPIC.name, AgentActivityRecorded.TYPE


class Change(NamedTuple):
    """A message's state before, if it was known, and after; and the trace context that the change belongs to."""

    old: MessageState | None
    new: MessageState
    traceparent: str | None = None


Keys = tuple[list[Any], list[Any], list[Any]]
"""Of signals, counters and subjects, as Contributions has them; a key once for each message."""


@dataclass(slots=True)
class Outcome:
    """What changes of messages do: effects that the runtime writes, and what this service writes itself.

    `obsolete` are keys (id, created_at) of activities that an earlier `sent` moved to another created_at. `news`, by
    activity id, is told if the activity is written: one whose sponsor or event was deleted is not.
    """

    effects: Effects = field(default_factory=Effects)
    subjects: Counter[SubjectKey] = field(default_factory=Counter)
    activities: list[Activity] = field(default_factory=list)
    obsolete: list[tuple[str, datetime]] = field(default_factory=list)
    news: dict[str, Derived] = field(default_factory=dict)


def outcome(changes: Iterable[Change]) -> Outcome:
    """Add up what `changes` do."""
    total = Outcome()
    gained: Keys = ([], [], [])
    lost: Keys = ([], [], [])
    for old, new, traceparent in changes:
        _move_counts(gained, lost, old, new)
        _move_gate(total, refusing_sponsor(old) if old else None, refusing_sponsor(new))
        _move_activity(total, old, new, traceparent)
    tallies: tuple[Counter[Any], ...] = (total.effects.signals, total.effects.counters, total.subjects)
    for tally, more, less in zip(tallies, gained, lost, strict=True):
        tally.update(more)
        tally.subtract(less)
    moved = {(subject, key) for (subject, key, _), n in total.subjects.items() if n}
    total.effects.marks |= {Mark("email_subjects", subject, key) for subject, key in moved}
    return total


def _move_counts(gained: Keys, lost: Keys, old: MessageState | None, new: MessageState) -> None:
    """Note the counts that the message has come to stand in, and those that it has left."""
    after: tuple[set[Any], ...] = contributions(new)
    if old is None:
        for more, now in zip(gained, after, strict=True):
            more += now
        return
    before: tuple[set[Any], ...] = contributions(old)
    for more, less, then, now in zip(gained, lost, before, after, strict=True):
        more += now - then
        less += then - now


def _move_gate(total: Outcome, old: str | None, new: str | None) -> None:
    if old != new:
        total.effects.marks |= {Mark("lead_scores", "sponsor", sponsor) for sponsor in (old, new) if sponsor}


def _move_activity(total: Outcome, old: MessageState | None, new: MessageState, traceparent: str | None) -> None:
    """Write the activity anew; it is news where it is new or has another status."""
    written = activity(new)
    if written is None:
        return
    total.activities.append(written)
    previous_status = None
    if old and old.sponsor_id and old.sent_at:
        previous_status = status_of(old)
        if old.sent_at != written.created_at:
            total.obsolete.append((written.id, old.sent_at))
    if written.status != previous_status:
        total.news[written.id] = _recorded(written, previous_status, traceparent)


def _recorded(activity: Activity, previous_status: str | None, traceparent: str | None) -> Derived:
    """Tell of an activity: the JSON of AgentActivityRecorded, made without the model for its cost."""
    data = {
        "activity_id": activity.id,
        "activity_type": activity.activity_type,
        "agent_id": activity.agent_id,
        "message_id": activity.message_id,
        "event_id": activity.event_id,
        "sponsor_id": activity.sponsor_id,
        "status": activity.status,
        "previous_status": previous_status,
        "required_human_review": activity.required_human_review,
        "escalation_reason": activity.escalation_reason,
        "created_at": activity.created_at,
    }
    return Derived(
        topic=_TOPIC,
        key=activity.event_id or activity.sponsor_id,
        type=_TYPE,
        data=orjson.dumps(data, option=orjson.OPT_UTC_Z),
        traceparent=traceparent,
    )
