"""What all services take over many records, under as much load as they bear: memory, and the size of the queues.

The queues are tables whose rows come and go (stale marks, outbox); unless what is gone is cleared away as fast, they
grow although little is in them. Postgres looks once a minute, so a short run says nothing of that.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import LiteralString, NamedTuple

import asyncpg
import psutil

from services.operator.processes import SERVICES, Fleet
from services.runtime.database import SEARCH_PATH
from tests.benchmarks.draining import IDLE, SETTLED, watch
from tests.benchmarks.lab import Backlog, Database, Lab
from tests.benchmarks.results import Lines, Requirement, Section, Table

MEBIBYTE = 2**20
QUEUES = ("stale_marks", "outbox")
LOOK = 0.5
"""Seconds between looks."""
WARM, LAST = 0.3, 0.8
"""Shares of the records: until the first, services and queues take what they need; from the second on, no more."""
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
        counts = {"sponsor_activity": 900_000, "email_engagement": 1_200_000, "ticket_sales": 900_000}
        backlog = await lab.publish("endurance.", counts)
    else:
        backlog = await lab.backlog()
    async with lab.database(backlog, "endurance") as database, lab.services(database, SERVICES) as fleet:
        looks: list[Look] = []
        looking = asyncio.create_task(_look(database, fleet, looks))
        try:
            await watch(database.connection, SETTLED, backlog.total, fleet.require_alive)
            await watch(database.connection, IDLE, 1, fleet.require_alive)
        finally:
            looking.cancel()
    return _section(backlog, looks, full=lab.scale.full)


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


def _section(backlog: Backlog, looks: Sequence[Look], *, full: bool) -> Section:
    early = [look for look in looks if look.settled <= WARM * backlog.total]
    late = [look for look in looks if look.settled >= LAST * backlog.total]
    memory = {
        name: Most(max(look.memory[name] for look in early), max(look.memory[name] for look in late))
        for name in SERVICES
    }
    queues = {
        name: Most(max(look.queues[name] for look in early), max(look.queues[name] for look in late)) for name in QUEUES
    }
    title = f"{backlog.total:,} records through all services"
    requirements = [
        Requirement(f"memory that {name} gains over {backlog.total:,} records", most.gained, "at most", 50.0, "MiB")
        for name, most in memory.items()
    ]
    if full:
        requirements += [
            Requirement(f"size of {name}: largest late, to early", most.late / most.early, "at most", 1.5, "×")
            for name, most in queues.items()
        ]
    return Section(
        "endurance",
        tables=[
            _table(f"resident memory, MiB at most: {title}", "service", memory),
            _table(
                f"size with indexes, MiB at most: {title}", "queue", queues,
                "" if full else "too short to see Postgres clear away what is gone, which it does once a minute",
            ),
        ],
        requirements=requirements,
        charts=[
            Lines(
                f"resident memory: {title}", "seconds", "MiB",
                {name: [(look.seconds, look.memory[name]) for look in looks] for name in SERVICES},
            )
        ],
    )  # fmt: skip


def _table(title: str, what: str, found: Mapping[str, Most], note: str = "") -> Table:
    columns = [what, f"#until {WARM:.0%} were settled", f"#from {LAST:.0%} on", "#more"]
    return Table(title, columns, [[name, most.early, most.late, most.gained] for name, most in found.items()], note)
