"""Services that begin together, and watching what they do to a backlog."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import LiteralString

from services.operator.output import Failure
from services.operator.processes import INTAKE_SERVICES, Fleet
from services.runtime.database import Connection

SETTLED: LiteralString = "SELECT COALESCE(sum(applied + duplicate + dead_lettered), 0)::bigint FROM stream_offsets"
"""How many records the product has settled."""
IDLE: LiteralString = """
    SELECT (NOT EXISTS (SELECT FROM stale_marks) AND NOT EXISTS (SELECT FROM outbox))::int::bigint
"""
"""1 where nothing is left to project or to tell."""
LOOK = 0.05
"""Seconds between looks."""
_READY, _STALLED = 120.0, 120.0
"""Seconds: for processes to start, and within which something must move."""
_WAITING: LiteralString = """
    SELECT lock.relation::regclass::text AS relation, session.application_name, count(DISTINCT session.pid) AS sessions
      FROM pg_locks AS lock
      JOIN pg_stat_activity AS session USING (pid)
     WHERE NOT lock.granted AND lock.relation IN ('stream_offsets'::regclass, 'stale_marks'::regclass)
     GROUP BY 1, 2
"""
_PRESENT: LiteralString = """
    SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = current_database()
"""


@dataclass(frozen=True, slots=True)
class Drained:
    """What was seen of a backlog going down: so many settled in so many seconds."""

    settled: int
    seconds: float

    @property
    def rate(self) -> float:
        """Settled in a second."""
        return self.settled / self.seconds


@asynccontextmanager
async def together(fleet: Fleet, gatekeeper: Connection, observer: Connection) -> AsyncIterator[None]:
    """Start the fleet, held back by locks on what each service reads first; let all go once all are there.

    A process that starts first would otherwise have the machine for itself for seconds.
    """
    holding = gatekeeper.transaction()
    await holding.start()
    await gatekeeper.execute("LOCK TABLE stream_offsets, stale_marks IN ACCESS EXCLUSIVE MODE")
    async with fleet:
        async with asyncio.timeout(_READY):
            while await _missing(fleet, observer):
                fleet.require_alive()
                await asyncio.sleep(LOOK)
        await holding.rollback()
        yield


async def _missing(fleet: Fleet, observer: Connection) -> set[str]:
    """The services that are not all there yet."""
    rows = await observer.fetch(_WAITING)
    waiting: dict[tuple[str, str], int] = {(row[0], row[1]): row[2] for row in rows}
    present = {row["application_name"] for row in await observer.fetch(_PRESENT)}
    wanted = [child.service for child in fleet.children]

    def is_there(service: str) -> bool:
        name = f"eventos-{service}"
        if service == "outbox_relay":
            return name in present
        relation = "stream_offsets" if service in INTAKE_SERVICES else "stale_marks"
        return waiting.get((relation, name), 0) >= wanted.count(service)

    return {service for service in wanted if not is_there(service)}


async def watch(
    connection: Connection, question: LiteralString, goal: int, require_alive: Callable[[], None], *, look: float = LOOK
) -> Drained:
    """Look every `look` seconds until the number that answers `question` has reached `goal`.

    Time runs from the first look that finds any. Raises Failure when nothing moves any more, and what `require_alive`
    raises.
    """
    first: tuple[int, float] | None = None
    before, moved = 0, monotonic()
    while True:
        settled: int = await connection.fetchval(question)
        now = monotonic()
        if first is None and settled:
            first = settled, now
        if settled >= goal and first is not None:
            return Drained(settled - first[0], now - first[1])
        if settled != before:
            before, moved = settled, now
        if now - moved > _STALLED:
            raise Failure(f"nothing has moved for {_STALLED:.0f} s", f"{settled:,} of {goal:,} are settled")
        require_alive()
        await asyncio.sleep(look)


def pids(fleet: Fleet) -> list[int]:
    """The process ids of a running fleet."""
    return [child.process.pid for child in fleet.children if child.process]
