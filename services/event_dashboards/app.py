"""Wiring of event_dashboards: the view `dashboards`, and the timer that keeps its history.

A round of the view: lock → read → compute → keep what is owed → write what changed → tell.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

from services.event_dashboards import store
from services.event_dashboards.domain import (
    dashboard,
    has_dashboard,
    milestone_reached,
    milestones_reached,
    updated,
)
from services.runtime.database import Connection, acquire
from services.runtime.effects import Derived
from services.runtime.projection import FOR_PEOPLE, Key
from services.runtime.service import Parts, Service, Tools, repeatedly

Clock = Callable[[], datetime]
"""Says the time, in UTC."""

PAGE = 500
"""Dashboards whose snapshots the timer keeps in one statement."""

HISTORY_INTERVAL = 60.0
"""Seconds between looks for hours and days that are over."""

NO_ID = "00000000-0000-0000-0000-000000000000"


class Dashboards:
    """The view `dashboards`: one row for each event to which any fact belongs."""

    name = "dashboards"
    pace = FOR_PEOPLE  # every event of a busy organiser is stale at any moment, and nobody reads faster

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def project(self, connection: Connection, keys: Sequence[Key]) -> list[Derived]:
        """Bring the dashboards of these events up to date, and return what is to be told of them."""
        now = self._clock()
        event_ids = sorted({key.key for key in keys})
        stored = await store.lock_dashboards(connection, event_ids)
        events = {facts.event_id: facts for facts in await store.read_facts(connection, event_ids)}

        rows = {event_id: dashboard(facts) for event_id, facts in events.items()}
        gone = {event_id for event_id, facts in events.items() if not has_dashboard(facts)}
        removed = sorted(gone & stored.keys())
        changed = [it for it in rows.values() if it.event_id not in gone and it != stored.get(it.event_id)]

        await store.keep_snapshots(connection, [*removed, *(it.event_id for it in changed)], now)
        await store.write_dashboards(connection, changed, now)
        await store.remove_dashboards(connection, removed)
        reached = {event_id: milestones_reached(facts) for event_id, facts in events.items()}
        new = await store.claim_milestones(connection, reached, now)

        return [
            *(updated(events[it.event_id], it, removed=False) for it in changed),
            *(updated(events[event_id], rows[event_id], removed=True) for event_id in removed),
            *(milestone_reached(events[event_id], milestone) for event_id, milestone in new),
        ]


async def keep_owed_snapshots(connection: Connection, now: datetime, *, page: int = PAGE) -> None:
    """Keep what dashboards still owe of hours and days that are over at `now`."""
    after = NO_ID
    while owing := await store.find_owing(connection, now, page, after):
        await store.keep_snapshots(connection, owing, now)
        after = owing[-1]


async def _build(tools: Tools) -> Parts:
    clock = partial(datetime.now, UTC)

    async def keep_history() -> None:
        async with acquire(tools.pool) as connection:
            await keep_owed_snapshots(connection, clock())

    return Parts(views=[Dashboards(clock)], background=[partial(repeatedly, keep_history, HISTORY_INTERVAL, tools)])


SERVICE = Service("event_dashboards", _build)
