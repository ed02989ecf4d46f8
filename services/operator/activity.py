"""What happens while the services run: looks at intervals, and what changed from one to the next."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.operator.kafka_clients import Reader
from services.operator.processes import INTAKE_SERVICES
from services.operator.standing import Standing, look
from services.runtime.database import Pool
from services.runtime.settings import Settings
from services.runtime.sql import load_queries

QUERIES = load_queries(__package__)

ROWS = 6
"""Rows of each list in the live view."""


@dataclass(frozen=True, slots=True)
class Flow:
    """An intake service: records a second since the last look, and its totals."""

    service: str
    rate: float
    lag: int
    applied: int
    duplicate: int
    dead_lettered: int


@dataclass(frozen=True, slots=True)
class Activity:
    """One look, compared with the one before. `moved` holds the score that a lead had then, by names."""

    standing: Standing
    flows: tuple[Flow, ...]
    scores: tuple[Mapping[str, Any], ...]
    dashboards: tuple[Mapping[str, Any], ...]
    letters: tuple[Mapping[str, Any], ...]
    moved: Mapping[tuple[str, str], int]

    @property
    def rate(self) -> float:
        """Records a second, over all services."""
        return sum(flow.rate for flow in self.flows)


class Observer:
    """Takes looks; remembers just enough of the last ones to say what moved."""

    def __init__(self, settings: Settings, pool: Pool, reader: Reader) -> None:
        self._settings, self._pool, self._reader = settings, pool, reader
        self._consumed: dict[str, int] = {}
        self._looked_at: float | None = None
        self._scores: dict[tuple[str, str], int] = {}
        self._moved: dict[tuple[str, str], int] = {}

    async def observe(self, now: float) -> Activity:
        """Take a look; `now` is a monotonic time in seconds."""
        standing = await look(self._settings, self._pool, self._reader)
        scores, dashboards, letters = [
            tuple(await self._pool.fetch(QUERIES[name], ROWS))
            for name in ("recent_scores", "recent_dashboards", "recent_letters")
        ]
        elapsed = now - self._looked_at if self._looked_at is not None else None
        flows = tuple(self._flow(standing, service, elapsed) for service in INTAKE_SERVICES)
        self._looked_at = now
        for row in scores:
            lead = (row["sponsor"], row["event"])
            if lead in self._scores and self._scores[lead] != row["score"]:
                self._moved[lead] = self._scores[lead]
            self._scores[lead] = row["score"]
        return Activity(standing, flows, scores, dashboards, letters, dict(self._moved))

    def _flow(self, standing: Standing, service: str, elapsed: float | None) -> Flow:
        applied, duplicate, dead_lettered = standing.totals(service)
        consumed = applied + duplicate + dead_lettered
        since = consumed - self._consumed.get(service, consumed)
        self._consumed[service] = consumed
        lag = sum(partition.lag for partition in standing.partitions if partition.service == service)
        return Flow(service, since / elapsed if elapsed else 0.0, lag, applied, duplicate, dead_lettered)
