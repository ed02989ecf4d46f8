"""Wiring of event_dashboards: the view `dashboards`, and the timer that keeps its history.

A round of the view: lock → read → compute → keep what is owed → write what changed → tell.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import structlog

from contracts.derived import DashboardMilestoneReached, DashboardUpdated
from services.event_dashboards import store
from services.event_dashboards.domain import (
    Dashboard,
    EventFacts,
    dashboard,
    has_dashboard,
    milestones_reached,
)
from services.runtime.database import Connection, Pool
from services.runtime.effects import Derived
from services.runtime.projection import Key

Clock = Callable[[], datetime]
"""The time now, in UTC."""


class Dashboards:
    """The view `dashboards`: one row for each event that anything is known of."""

    name = "dashboards"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def project(self, connection: Connection, keys: Sequence[Key]) -> list[Derived]:
        """Bring the dashboards of these events up to date, and return what is to be told of them."""
        now = self._clock()
        event_ids = sorted({key.key for key in keys})
        stored = await store.lock_dashboards(connection, event_ids)
        known = await store.read_facts(connection, event_ids)

        changed, removed = [], []
        for facts in known:
            row = dashboard(facts)
            if not has_dashboard(facts):
                removed += [row] if facts.event_id in stored else []
            elif row != stored.get(facts.event_id):
                changed.append(row)
