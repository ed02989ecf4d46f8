"""Wiring: the topic email-engagement → facts, messages, activities; and the view email_subjects.

The e-mail service in one screen: `EmailEngagement.apply` takes a batch from facts to effects, `EmailSubjects.project`
brings campaigns, templates and sequences to what was counted.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

from contracts.envelope import Event
from services.email_engagement import store
from services.email_engagement.domain import Change, MessageState, fold, join, outcome
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
        """Keep the facts, join them into the state of their messages, and move all that follows from it.

        What the batch tells of each message is folded before anything is locked. For a new message that is its
        state; for a known one it is joined with what is stored, under the row's lock.
        """
        await store.insert_facts(connection, events)
        told, traces = _fold_by_message(events)
        added = await store.add_messages(connection, told.values())
        known = await store.lock_messages(connection, [id_ for id_ in told if id_ not in added])
        changes = [_change(state, known.get(id_), traces.get(id_)) for id_, state in told.items()]

        await store.update_messages(connection, [change.new for change in changes if change.new ...])
