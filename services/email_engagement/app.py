"""Wiring: the topic email-engagement → facts, messages, activities; and the view email_subjects.

The e-mail service in one screen: `EmailEngagement.apply` takes a batch from facts to effects, `EmailSubjects.project`
brings campaigns, templates and sequences to what was counted.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

from contracts.envelope import Event
from services.email_engagement import store
from services.email_engagement.domain import (
    Change,
    MessageState,
    facts_by_message,
    fold,
    join,
    latest_trace,
    outcome,
)
from services.runtime.database import Connection, Pool
from services.runtime.effects import Derived, Effects
from services.runtime.projection import Key

_PROJECT = {
    "campaign": store.project_campaigns,
    "template": store.project_templates,
    "sequence": store.project_sequences,
}


class EmailEngagement:
    """The handler of e-mail events."""

    def __init__(self) -> None:
        self._months: set[date] = set()

    def references(self, event: Event[Any]) -> tuple[str | None, str | None]:
        """The sponsor and the event that a fact names, each if any."""
        return event.data.sponsor_id, event.data.event_id

    async def prepare(self, pool: Pool, events: Sequence[Event[Any]]) -> None:
        """Make the partitions for the months in which the batch's e-mails were sent."""
        sent_in = {event.time.date().replace(day=1) for event in events if event.name == "sent"}
        if missing := sorted(sent_in - self._months):
            async with pool.acquire() as connection:
                for month in missing:
                    await store.ensure_month(connection, month)
            self._months.update(missing)

    async def apply(self, connection: Connection, events: Sequence[Event[Any]], shard: int) -> Effects:
        """Keep the facts, join them into the states of their messages, and move all that follows from these.

        What the batch tells of each message is folded before anything is locked. Of a new message that is the state;
        to a known one it is joined under the row's lock.
        """
        await store.insert_facts(connection, events)
        facts = facts_by_message(events)
        told = {message_id: fold(MessageState(message_id), each) for message_id, each in facts.items()}

        added = await store.add_messages(connection, told.values())
        known = await store.lock_messages(connection, [message_id for message_id in told if message_id not in added])
        changes = [
            Change(old, new, latest_trace(facts[message_id]))
            for message_id, state in told.items()
            if (old := known.get(message_id, MessageState(message_id))) != (new := join(old, state))
        ]
        await store.update_messages(connection, [new for _, new, _ in changes if new.message_id in known])

        total = outcome(changes)
        await store.add_subject_counts(connection, total.subjects, shard)
        await store.delete_activities(connection, total.obsolete)
        await store.write_activities(connection, total.activities)
        return total.effects


class EmailSubjects:
    """The view of campaigns, templates and sequences: what their messages add up to, and a sequence's status."""

    name = "email_subjects"

    async def project(self, connection: Connection, keys: Sequence[Key]) -> list[Derived]:
        """Bring the subjects of `keys` up to date. A subject without a row is no error: the row's arrival marks it."""
        for kind, project in _PROJECT.items():
            if ids := [key.key for key in keys if key.kind == kind]:
                await project(connection, ids)
        return []
