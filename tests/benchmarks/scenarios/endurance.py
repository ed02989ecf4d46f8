"""What all services take in the long run: memory, and the size of the queues.

Under as much load as they bear, for millions of records; and at a steady rate, for an hour.

The queues are tables whose rows come and go (stale marks, outbox); unless what is gone is cleared away as fast, they
grow although little is in them. Postgres looks every few seconds, so a short run says nothing of that.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from time import monotonic
from typing import LiteralString, NamedTuple

import asyncpg
import psutil

from services.operator.kafka_clients import producer
from services.operator.processes import INTAKE_SERVICES, SERVICES, Fleet
from services.operator.standing import INTAKE_TOPICS
from services.runtime.database import SEARCH_PATH
from tests.benchmarks.checks import VIEWS, check
from tests.benchmarks.draining import IDLE, SETTLED, watch
from tests.benchmarks.lab import Backlog, Database, Lab, mixture
from tests.benchmarks.meters import MEBIBYTE
from tests.benchmarks.results import Lines, Requirement, Section, Table
from tests.benchmarks.scenarios.pace import at_rate, mixed

QUEUES = ("stale_marks", "outbox")
LOOK = 0.5
"""Seconds between looks."""
RATE = 1_000
"""Events a second of the soak."""
WARM, FILLED, LAST = 0.1, 0.3, 0.8
"""Shares of the records: until the first, services take what they need, and queues until the second; from the third on,
no more."""
_SIZES: LiteralString = "SELECT pg_total_relation_size('stale_marks'), pg_total_relation_size('outbox')"


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen at one moment: records settled, and MiB of each service and each queue."""

    seconds: float
    settled: int
    memory: Mapping[str, float]
    queues: Mapping[str, float]


class Most(NamedTuple):
    """The largest of what was seen early, and of what was seen late, in MiB."""

    early: float
    late: float

    @property
    def gained(self) -> float:
        """How much larger it became."""
        return self.late - self.early


async def run(lab: Lab) -> Section:
    """Let all services settle a backlog and all that follows, and look at them meanwhile."""
    if lab.scale.full:
        backlog = await lab.publish("endurance.", mixture(3_000_000))
    else:
        backlog = await lab.backlog()
    async with _looking(lab, backlog, "endurance") as (looks, _):
        pass
    title = f"{backlog.total:,} records through all services"
    return _section("endurance", title, backlog.total, looks, full=lab.scale.full)


async def soak(lab: Lab) -> Section:
    """The same at a steady rate."""
    total = 10 * round(RATE * 6 * lab.scale.soak_minutes)
    backlog = replace(await lab.publish("soak.", dict.fromkeys(INTAKE_TOPICS, 0)), counts=mixture(total))
    lab.say(f"publishing {RATE:,} events/s for {lab.scale.soak_minutes:g} minutes")
    async with _looking(lab, backlog, "soak") as (looks, fleet), producer(lab.settings("soak.")) as client:
        records = mixed(backlog, total)

        async def send(_: int) -> None:
            topic, key, value = next(records)
            await client.send(topic, key=key, value=value)

        await at_rate(RATE, total, send, fleet.require_alive)
    title = f"{RATE:,} events/s for {lab.scale.soak_minutes:g} minutes"
    return _section("soak", title, total, looks, full=lab.scale.full)


@asynccontextmanager
async def _looking(lab: Lab, backlog: Backlog, name: str) -> AsyncIterator[tuple[list[Look], Fleet]]:
    """Look at all services for as long as the block lasts, and until they have settled the backlog and rest."""
    async with lab.database(backlog, name) as database, lab.services(database, SERVICES) as fleet:
        looks: list[Look] = []
        looking = asyncio.create_task(_look(database, fleet, looks))
        try:
            yield looks, fleet
            await watch(database.connection, SETTLED, backlog.total, fleet.require_alive)
            await watch(database.connection, IDLE, 1, fleet.require_alive)
        finally:
            looking.cancel()
        lab.say("checking")
        await check(database, INTAKE_SERVICES, projected=VIEWS)


async def _look(database: Database, fleet: Fleet, looks: list[Look]) -> None:
    """Look on a connection of its own, until cancelled."""
    begun = monotonic()
    connection = await asyncpg.connect(database.url, server_settings={"search_path": SEARCH_PATH})
    try:
        while True:
            settled = await connection.fetchval(SETTLED)
            sizes = await connection.fetchrow(_SIZES)
            queues = {name: size / MEBIBYTE for name, size in zip(QUEUES, sizes or (), strict=True)}
            looks.append(Look(monotonic() - begun, settled, _memory(fleet), queues))
            await asyncio.sleep(LOOK)
    finally:
        await connection.close()


def _memory(fleet: Fleet) -> dict[str, float]:
    return {
        child.service: psutil.Process(child.process.pid).memory_info().rss / MEBIBYTE
        for child in fleet.children
        if child.process
    }


def _section(scenario: str, title: str, total: int, looks: Sequence[Look], *, full: bool) -> Section:
    warm, filled = ([look for look in looks if look.settled <= share * total] for share in (WARM, FILLED))
    late = [look for look in looks if look.settled >= LAST * total]
    memory = {
        name: Most(max(look.memory[name] for look in warm), max(look.memory[name] for look in late))
        for name in SERVICES
    }
    queues = {
        name: Most(max(look.queues[name] for look in filled), max(look.queues[name] for look in late))
        for name in QUEUES
    }
    requirements = [
        Requirement(f"memory that {name} gains: {title}", most.gained, "at most", 50.0, "MiB")
        for name, most in memory.items()
    ]
    if full:
        requirements += [
            Requirement(f"size of {name}, largest late to early: {title}", most.late / most.early, "at most", 1.5, "×")
            for name, most in queues.items()
        ]
    return Section(
        scenario,
        tables=[
            _table(f"resident memory, MiB at most: {title}", "service", WARM, memory),
            _table(
                f"size with indexes, MiB at most: {title}", "queue", FILLED, queues,
                "" if full else "too short to see Postgres clear away what is gone, which it does every few seconds",
            ),
        ],
        requirements=requirements,
        charts=[
            Lines(
                f"resident memory: {title}", "seconds", "MiB",
                {name: [(look.seconds, look.memory[name]) for look in looks] for name in SERVICES},
            ),
            Lines(
                f"size of queues: {title}", "seconds", "MiB",
                {name: [(look.seconds, look.queues[name]) for look in looks] for name in QUEUES},
            ),
        ],
    )  # fmt: skip


def _table(title: str, what: str, early: float, found: Mapping[str, Most], note: str = "") -> Table:
    columns = [what, f"#until {early:.0%} were settled", f"#from {LAST:.0%} on", "#more"]
    return Table(title, columns, [[name, most.early, most.late, most.gained] for name, most in found.items()], note)
