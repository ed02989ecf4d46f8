"""Projection: facts → views. One round takes what is stale in one shard and brings its view rows up to date.

    own the shard → take all its marks → (a statement later) read, compute, write what changed → outbox → commit

The shard belongs to whoever holds its advisory lock, until the transaction ends: no one writes an older state over a
newer one. Marks are taken before anything is read, so a change that the reading missed has left a mark that stays.
"""

import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import asyncpg
import structlog

from services.runtime.contributions import append_outbox
from services.runtime.database import (
    Connection,
    Fault,
    Pool,
    acquire,
    classify,
    fetch_one,
    patiently,
    transaction,
)
from services.runtime.effects import Derived
from services.runtime.health import Pulse
from services.runtime.logs import name_of
from services.runtime.metrics import ServiceMetrics
from services.runtime.settings import Settings
from services.runtime.sql import load_queries
from services.runtime.wake import Bell, wake

log = structlog.get_logger(__name__)
queries = load_queries(__package__)

LONGEST_REST = 4.0
"""Seconds that a projection rests at most between two sweeps."""
LONG_SWEEP, BACKLOG_SHARE = 0.25, 0.2
"""Seconds of work, twice in a row, that tell of a backlog; the part of the time that sweeps take then. A view that
needs less of it when nobody is behind comes back to short sweeps by itself."""
SILENCE = 0.5
"""Seconds without a notice that end its rest: intake has nothing more to do."""
INDIVISIBLE = (Fault.TRANSIENT, Fault.STOP)
"""Faults that no half of the keys would be spared."""
ROUND_MARKS = 1000
"""Marks up to which shards share a round."""
BACKLOG_MARKS = 500_000
"""Marks, by their ids, that a round takes at most."""
BACKGROUND_BESIDE_LIVE = 10
"""Of the day's turn, one key in so many is taken in a round that has live marks."""


class Key(NamedTuple):
    """What a mark names: the view's own words for `kind`, and the ids that go with it."""

    kind: str
    key: str
    other: str | None = None


class Pace(NamedTuple):
    """How a view shares the machine: the least seconds between two sweeps, and the part of the time that they take."""

    least_rest: float
    share: float

    def rest(self, worked: float) -> float:
        """Seconds to rest after a sweep of so many; in a backlog, the more marks collapse into one computation."""
        share = self.share if worked < LONG_SWEEP else min(self.share, BACKLOG_SHARE)
        return max(self.least_rest, min(LONGEST_REST, worked * (1 / share - 1)))


AT_ONCE = Pace(0.0, 0.5)
"""Of what others wait for."""
FOR_PEOPLE = Pace(0.25, 0.1)
"""Of what much moves, and only people look at."""


class View(Protocol):
    """What a service brings: how stale keys become right."""

    name: str
    pace: Pace

    async def project(self, connection: Connection, keys: Sequence[Key]) -> list[Derived]:
        """Bring the rows of `keys` up to date with the facts, and return what to tell.

        Runs inside the shard owner's transaction. Reads everything anew, writes only rows that change; an exception
        makes the runtime undo that, call it again with half of the keys, and in the end park the one that fails.
        """
        ...


Project = Callable[[Connection, Sequence[Key], set[Key]], Awaitable[list[Derived]]]
"""From keys, and those of them that had been parked, to what to tell."""


class Projection:
    """One replica's part in keeping a view; any number of replicas share the shards."""

    def __init__(
        self, view: View, service: str, pool: Pool, settings: Settings, metrics: ServiceMetrics, pulse: Pulse
    ) -> None:
        self._view, self._service, self._pool, self._settings = view, service, pool, settings
        self._metrics, self._counts = metrics, metrics.projections
        self._pulse = pulse

    async def run(self, bell: Bell) -> None:
        """Sweep the shards whenever the bell rings, and now and then without; wait out transient faults.

        After a sweep it rests: the busier the service, the more marks collapse into one computation, and the more of
        the time is left to intake. An idle one answers at once. Raises what is nobody's fault but ours (`Fault.STOP`).
        """
        before = 0.0
        while True:
            began = time.monotonic()
            rounds: int = await patiently(self._passing)(self.sweep)
            took = time.monotonic() - began
            if rounds:
                await self._rest(bell, min(before, took))
            else:
                await bell.wait(self._settings.poll_interval)
            before = took

    async def _rest(self, bell: Bell, worked: float) -> None:
        """Rest as is due after so many seconds of work, and no longer once no more marks come."""
        until = time.monotonic() + self._view.pace.rest(worked)
        while (left := until - time.monotonic()) > 0 and await bell.wait(min(left, SILENCE)):
            pass

    def _passing(self, error: BaseException) -> bool:
        fault = classify(error)
        self._metrics.retried(fault, error)
        self._pulse.beat(self._view.name)
        return fault in (
            Fault.TRANSIENT,
            Fault.SPLIT,
        )  # what can be split was: this is looking for marks, or taking them

    async def sweep(self) -> int:
        """Take every shard with work once, those that nobody else owns; return how many rounds had work.

        Shards with little to do share a round, for most of a small round is going there and back; one with much has
        its own, so that replicas can share.
        """
        self._pulse.beat(self._view.name)
        async with acquire(self._pool) as connection:
            rows = await connection.fetch(queries["stale_shards"], self._view.name, ROUND_MARKS)
        random.shuffle(rows)
        return sum([await self.take(shards) for shards in share_rounds({row["shard"]: row["marks"] for row in rows})])

    async def take(self, shards: Sequence[int]) -> bool:
        """Take one round in `shards`; return whether there was anything to do and nobody else at it.

        A round that fails is undone, and done again by halves.
        """
        try:
            return await self._round(shards, self._project)
        except Exception as error:
            if classify(error) in INDIVISIBLE:
                raise
            log.warning("round_halved", projection=self._view.name, error=type(error).__name__)
        return await self._round(shards, self._project_halving)

    async def _round(self, shards: Sequence[int], project: Project) -> bool:
        async with acquire(self._pool) as connection:
            async with transaction(connection):
                owned = [row["shard"] for row in await connection.fetch(queries["own_shards"], self._view.name, shards)]
                rows = await self._take_marks(connection, owned) if owned else []
                if not rows:
                    return False
                keys = [Key(row["kind"], row["key"], row["other"]) for row in rows]
                retried = {key for key, row in zip(keys, rows, strict=True) if row["retried"]}
                async with self._metrics.batch(len(keys)):
                    derived = await project(connection, keys, retried)
                    await append_outbox(connection, self._service, derived)
            await wake(connection, (), outbox=bool(derived))
        self._metrics.event_age.observe("view", [row["oldest"] for row in rows if row["oldest"] is not None])
        self._counts.rounds.labels(self._view.name).inc()
        self._counts.keys.labels(self._view.name).inc(len(keys))
        self._pulse.beat(self._view.name)
        return True

    async def _take_marks(self, connection: Connection, shards: Sequence[int]) -> list[asyncpg.Record]:
        """Take what is to be computed in these shards, in order: keys, each with the time of its oldest mark."""
        most = self._settings.background_keys
        return await connection.fetch(
            queries["take_marks"], self._view.name, shards, most, -(-most // BACKGROUND_BESIDE_LIVE), BACKLOG_MARKS
        )

    async def _project(self, connection: Connection, keys: Sequence[Key], retried: set[Key]) -> list[Derived]:
        """Project `keys`; those `retried` had been parked, and are no more, unless the view parks them again."""
        if tried := retried.intersection(keys):
            await connection.execute(queries["unpark_keys"], self._view.name, *zip(*tried, strict=True))
        return await self._view.project(connection, keys)

    async def _project_halving(self, connection: Connection, keys: Sequence[Key], retried: set[Key]) -> list[Derived]:
        """Project `keys`, or the halves of them; a key that fails alone is parked and in nobody's way."""
        try:
            async with transaction(connection):
                return await self._project(connection, keys, retried)
        except Exception as error:
            if classify(error) in INDIVISIBLE:
                raise
            if len(keys) > 1:
                middle = len(keys) // 2
                first = await self._project_halving(connection, keys[:middle], retried)
                return first + await self._project_halving(connection, keys[middle:], retried)
            log.error("key_parked", projection=self._view.name, kind=keys[0].kind, exc_info=error)
            await connection.execute(queries["park_key"], self._view.name, *keys[0], name_of(error))
            return []

    async def observe(self) -> None:
        """Read the gauges of this projection."""
        async with acquire(self._pool) as connection:
            row = await fetch_one(connection, queries["projection_backlog"], self._view.name)
        self._counts.marks_pending.labels(self._view.name).set(row["pending"])
        self._counts.oldest_mark.labels(self._view.name).set(row["oldest_age"])
        self._counts.parked_keys.labels(self._view.name).set(row["parked"])


def share_rounds(marks: Mapping[int, int], most: int = ROUND_MARKS) -> list[list[int]]:
    """Put shards, with how many marks each has, into rounds of at most `most` marks, or of a single shard."""
    rounds: list[list[int]] = []
    room = -1
    for shard, waiting in marks.items():
        if waiting > room:
            rounds.append([])
            room = most
        rounds[-1].append(shard)
        room -= waiting
    return rounds
