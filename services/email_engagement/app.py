"""Wiring of email_engagement: which topic it reads, the story of a batch, and the view of what was mailed."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

from contracts.envelope import Event
from contracts.topics import EMAIL_ENGAGEMENT
from services.email_engagement import store
from services.email_engagement.changes import Change, outcome
from services.email_engagement.domain import Activity, MessageState, fold
from services.runtime.database import Connection, Pool, acquire
from services.runtime.effects import Derived, Effects
from services.runtime.intake import Handler
from services.runtime.projection import FOR_PEOPLE, Key, View
from services.runtime.references import lock_references
from services.runtime.service import Parts, Service, Tools, repeatedly

MONTHS_INTERVAL = 3600.0
"""Seconds between looks for months of agent_sales_activities that have come near."""


class EmailEngagement(Handler):
    """Keeps the facts of e-mails and the state of each message, and tells what moved."""

    def __init__(self) -> None:
        self._months: set[date] = set()

    def references(self, event: Event[Any]) -> tuple[str | None, str | None]:
        """Return the sponsor and the event, where the fact names them."""
        return event.data.sponsor_id, event.data.event_id

    async def prepare(self, pool: Pool, events: Sequence[Event[Any]]) -> None:
        """Make the partitions of the months in which e-mails of the batch were sent."""
        days = {event.time.date() for event in events if event.name == "sent"}
        if missing := sorted({day.replace(day=1) for day in days} - self._months):
            async with acquire(pool) as connection:
                for month in missing:
                    await store.ensure_month(connection, month)
            self._months.update(missing)

    async def apply(self, connection: Connection, events: Sequence[Event[Any]], shard: int) -> Effects:
        """Store the facts, join them into the state of their messages, and move all that follows from it.

        What the batch tells of each message is offered as its state, which it is if the message is new. The
        states of known messages are folded on under their rows' locks.
        """
        facts: defaultdict[str, list[Event[Any]]] = defaultdict(list)
        for event in events:
            facts[event.data.message_id].append(event)
        told = {message_id: fold(MessageState(message_id), each) for message_id, each in facts.items()}

        await store.insert_facts(connection, events)
        added = await store.add_messages(connection, list(told.values()))
        known = await store.lock_messages(connection, list(told.keys() - added))
        changes = [Change(None, told[message_id], _trace_of(facts[message_id])) for message_id in added]
        for message_id, old in known.items():
            new = fold(old, facts[message_id])
            if new != old:
                changes.append(Change(old, new, _trace_of(facts[message_id])))
        await store.update_messages(connection, [new for old, new, _ in changes if old])

        total = outcome(changes)
        activities = await self._with_references(connection, total.activities, events)
        await store.add_subject_counts(connection, total.subjects, shard)
        await store.delete_activities(connection, total.obsolete)
        await store.write_activities(connection, activities)
        total.effects.derived += [total.news[each.id] for each in activities if each.id in total.news]
        return total.effects

    async def _with_references(
        self, connection: Connection, activities: Sequence[Activity], events: Sequence[Event[Any]]
    ) -> Sequence[Activity]:
        """Leave out the activities whose sponsor or event was deleted; those of the others are locked.

        Intake has locked what `events` name, but a message may have others from older facts.
        """
        named = set(map(self.references, events))
        sponsor_ids = {each.sponsor_id for each in activities} - {sponsor for sponsor, _ in named}
        event_ids = {each.event_id for each in activities if each.event_id} - {event for _, event in named}
        missing = await lock_references(connection, sponsor_ids, event_ids)
        if not missing:
            return activities
        return [
            each
            for each in activities
            if ("sponsor", each.sponsor_id) not in missing and ("event", each.event_id) not in missing
        ]


def _trace_of(facts: Sequence[Event[Any]]) -> str | None:
    """The trace context of the last of `facts` that has one."""
    return next((fact.traceparent for fact in reversed(facts) if fact.traceparent), None)


_WRITERS = {
    "campaign": store.project_campaigns,
    "template": store.project_templates,
    "sequence": store.project_sequences,
}


class EmailSubjects(View):
    """Keeps the counters of campaigns, templates and sequences, and the status of sequences."""

    name = "email_subjects"
    pace = FOR_PEOPLE

    async def project(self, connection: Connection, keys: Sequence[Key]) -> list[Derived]:
        """Bring the subjects that are marked to what was counted; one without a row is passed over."""
        for kind, write in _WRITERS.items():
            if ids := [key.key for key in keys if key.kind == kind]:
                await write(connection, ids)
        return []


async def _build(tools: Tools) -> Parts:
    async def keep_months() -> None:
        async with acquire(tools.pool) as connection:
            await store.keep_months(connection, datetime.now(UTC).date())

    background = [partial(repeatedly, keep_months, MONTHS_INTERVAL, tools)]
    return Parts(handler=EmailEngagement(), views=[EmailSubjects()], background=background)


SERVICE = Service("email_engagement", _build, topic=EMAIL_ENGAGEMENT)
