"""Wiring of sponsor_activity: which topic it reads, the story of a batch, and the one view it keeps."""

from collections.abc import Sequence
from typing import Any

from contracts.envelope import Event
from contracts.topics import SPONSOR_ACTIVITY
from services.runtime.database import Connection, Pool
from services.runtime.effects import Derived, Effects
from services.runtime.intake import Handler
from services.runtime.projection import FOR_PEOPLE, Key, View
from services.runtime.service import Parts, Service, Tools
from services.sponsor_activity import store
from services.sponsor_activity.domain import fold


class SponsorActivity(Handler):
    """Keeps what sponsors do, and tells what moved."""

    def references(self, event: Event[Any]) -> tuple[str | None, str | None]:
        """Return the sponsor, and the event where the activity names one."""
        return event.data.sponsor_id, event.data.event_id

    async def prepare(self, pool: Pool, events: Sequence[Event[Any]]) -> None:
        """Do nothing: every table takes rows of any time."""

    async def apply(self, connection: Connection, events: Sequence[Event[Any]], shard: int) -> Effects:
        """Store the activities, the sponsorships signed and the proposals viewed."""
        outcome = fold(events)
        await store.insert_activities(connection, outcome.activities)
        if outcome.sponsorships:
            await store.insert_sponsorships(connection, outcome.sponsorships)
        if outcome.proposal_views:
            await store.add_proposal_views(connection, outcome.proposal_views, shard)
        return outcome.effects


class ProposalViews(View):
    """Keeps `sponsor_proposals.total_views` at what was counted, also before the proposal had a row."""

    name = "proposal_views"
    pace = FOR_PEOPLE

    async def project(self, connection: Connection, keys: Sequence[Key]) -> list[Derived]:
        """Write the totals of the proposals that are marked; nothing is told to anyone."""
        await store.write_total_views(connection, [key.key for key in keys])
        return []


async def _build(tools: Tools) -> Parts:
    return Parts(handler=SponsorActivity(), views=[ProposalViews()])


SERVICE = Service("sponsor_activity", _build, topic=SPONSOR_ACTIVITY)
