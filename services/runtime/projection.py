"""Projection: facts → views. One round takes what is stale in one shard and brings its view rows up to date.

    own the shard → take all its marks → (a statement later) read, compute, write what changed → outbox → commit

The shard belongs to whoever holds its advisory lock, until the transaction ends: no one writes an older state over a
newer one. Marks are taken before anything is read, so a change that the reading missed has left a mark that stays.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from services.runtime.contributions import append_outbox
from services.runtime.database import Connection, Fault, Pool, classify, fetch_one, patiently
from services.runtime.effects import Derived
from services.runtime.health import Pulse
from services.runtime.logs import name_of
from services.runtime.metrics import ServiceMetrics
from services.runtime.settings import Settings
from services.runtime.sql import load_queries
from services.runtime.wake import Bell, wake

log = structlog.get_logger(__name__)
queries = load_queries(__package__)


@dataclass(frozen=True, slots=True)
class Key:
    """What a mark names: the view's own words for `kind`, and the ids that go with it."""

    kind: str
    key: str
    other: str | None = None


class View(Protocol):
    """What a service brings: how stale keys become right."""

    name: str

    async def project(self, connection: Connection, keys: Sequence[Key]) -> list[Derived]:
        """Bring the rows of `keys` up to date with the facts, and return what to tell.

        Runs inside the shard owner's transaction. Reads everything anew, writes only rows that change; an exception
        makes the runtime call it again with half of the keys, and in the end park the one that fails.
        """
        ...


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

        Raises what is nobody's fault but ours (`Fault.STOP`).
        """
        while True:
            await patiently(self._passing)(self.sweep)
            if await bell.wait(self._settings.poll_interval):
                await asyncio.sleep(self._settings.projection_linger)

    def _passing(self, error: BaseException) -> bool:
        fault = classify(error)
        self._metrics.retried(fault, error)
        self._pulse.beat(self._view.name)
        return fault in (
            Fault.TRANSIENT,
            Fault.SPLIT,
        )  # what can be split was: this is looking for marks, or taking them

    async def sweep(self) -> int:
        """Take rounds until no shard that can be owned has work left; return how many rounds had some."""
        rounds = 0
        while True:
            self._pulse.beat(self._view.name)
            async with self._pool.acquire() as connection:
                shards = [row["shard"] for row in await connection.fetch(queries["stale_shards"], self._view.name)]
            random.shuffle(shards)
            worked = [await self.take(shard) for shard in shards]
            if not any(worked):
                return rounds
            rounds += sum(worked)

    async def take(self, shard: int) -> bool:
        """Take one round in `shard`; return whether there was anything to do and nobody else at it."""
        async with self._pool.acquire() as connection:
            async with connection.transaction():
                if not await connection.fetchval(queries["own_shard"], self._view.name, shard):
                    return False
                keys = await self._take_marks(connection, shard)
                if not keys:
                    return False
                async with self._metrics.batch(len(keys)):
                    derived = await self._project(connection, shard, keys)
                    await append_outbox(connection, self._service, derived)
            await wake(connection, (), outbox=bool(derived))
        self._counts.rounds.labels(self._view.name).inc()
        self._counts.keys.labels(self._view.name).inc(len(keys))
        self._pulse.beat(self._view.name)
        return True

    async def _take_marks(self, connection: Connection, shard: int) -> list[Key]:
        """Take every live mark, else some of the day's turn; with them the parked keys that are due.

        A mark on a parked key that is not due yet is dropped: the key itself will be computed when it is.
        """
        rows = await connection.fetch(queries["take_live_marks"], self._view.name, shard)
        self._metrics.event_age.observe("view", [row["oldest"].timestamp() for row in rows])
        if not rows:
            limit = self._settings.background_keys
            rows = await connection.fetch(queries["take_background_marks"], self._view.name, shard, limit)
        taken = {Key(row["kind"], row["key"], row["other"]) for row in rows}
        parked = await connection.fetch(queries["parked_keys"], self._view.name, shard)
        due = {Key(row["kind"], row["key"], row["other"]): row["due"] for row in parked}
        keys = {key for key in taken if due.get(key, True)} | {key for key, is_due in due.items() if is_due}
        return sorted(keys, key=lambda key: (key.kind, key.key, key.other or ""))

    async def _project(self, connection: Connection, shard: int, keys: Sequence[Key]) -> list[Derived]:
        """Project `keys`, or the halves of them; a key that fails alone is parked and in nobody's way."""
        try:
            async with connection.transaction():
                derived = await self._view.project(connection, keys)
                await connection.execute(queries["unpark_keys"], self._view.name, shard, *_columns(keys))
                return derived
        except Exception as error:
            if classify(error) in (Fault.TRANSIENT, Fault.STOP):
                raise
            if len(keys) > 1:
                middle = len(keys) // 2
                first = await self._project(connection, shard, keys[:middle])
                return first + await self._project(connection, shard, keys[middle:])
            log.error("key_parked", projection=self._view.name, kind=keys[0].kind, exc_info=error)
            kind, key, other = keys[0].kind, keys[0].key, keys[0].other
            await connection.execute(queries["park_key"], self._view.name, shard, kind, key, other, name_of(error))
            return []

    async def observe(self) -> None:
        """Read the gauges of this projection."""
        async with self._pool.acquire() as connection:
            row = await fetch_one(connection, queries["projection_backlog"], self._view.name)
        self._counts.marks_pending.labels(self._view.name).set(row["pending"])
        self._counts.oldest_mark.labels(self._view.name).set(row["oldest_age"])
        self._counts.parked_keys.labels(self._view.name).set(row["parked"])


def _columns(keys: Sequence[Key]) -> tuple[list[str], list[str], list[str | None]]:
    return [key.kind for key in keys], [key.key for key in keys], [key.other for key in keys]
