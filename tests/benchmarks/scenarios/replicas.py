"""More processes of the same service: what this machine can show, which has few processors for all of them together.

Replicas share a topic's partitions, or a view's shards. Each run is checked: every record once, and right views. How
far they carry on more machines is computed from what events cost, in docs/capacity.md.
"""

import os
from statistics import median
from time import monotonic

from services.operator.processes import INTAKE_SERVICES
from tests.benchmarks.checks import check
from tests.benchmarks.draining import SETTLED, watch
from tests.benchmarks.lab import Backlog, Lab
from tests.benchmarks.results import Bars, Section, Table

REPLICAS = (1, 2, 3)
ROUNDS = 2
PROCESSES = "services"
_PROJECTED = """
    SELECT (NOT EXISTS (SELECT FROM stale_marks WHERE projection = 'lead_scores'))::int::bigint
"""
_LEADS = "SELECT count(*) FROM (SELECT DISTINCT key, other FROM stale_marks WHERE projection = 'lead_scores') AS leads"


async def run(lab: Lab) -> Section:
    """Drain the mixed backlog with 1, 2 and 3 processes of each intake service, then score what that left stale."""
    backlog = await lab.backlog()
    intake: dict[int, list[float]] = {replicas: [] for replicas in REPLICAS}
    scoring: dict[int, list[float]] = {replicas: [] for replicas in REPLICAS}
    for _ in range(min(ROUNDS, lab.scale.rounds)):
        for replicas in REPLICAS:
            events, leads = await _round(lab, backlog, replicas)
            intake[replicas].append(events)
            scoring[replicas].append(leads)
            lab.say(f"{replicas} of each: {events:,.0f} events/s, {leads:,.0f} leads/s")
    found = {replicas: (median(intake[replicas]), median(scoring[replicas])) for replicas in REPLICAS}
    columns = ["#processes of each", "#events/s, the three intake services", "#leads/s, lead_scoring"]
    return Section(
        "replicas",
        tables=[
            Table(
                f"more processes on {os.cpu_count()} processors, {backlog.total:,} events",
                columns,
                [[replicas, *rates] for replicas, rates in found.items()],
                note="Kafka, Postgres and the measurement compute on the same processors",
            )
        ],
        charts=[
            Bars(
                "more processes on the same processors", "a second", [f"{replicas} of each" for replicas in REPLICAS],
                {
                    "events, intake": [events for events, _ in found.values()],
                    "leads, scoring": [leads for _, leads in found.values()],
                },
            )
        ],
    )  # fmt: skip


async def _round(lab: Lab, backlog: Backlog, replicas: int) -> tuple[float, float]:
    async with lab.database(backlog, f"replicas_{replicas}") as database:
        async with lab.services(database, INTAKE_SERVICES, replicas=replicas) as fleet:
            drained = await watch(database.connection, SETTLED, backlog.total, fleet.require_alive)
        leads = await database.connection.fetchval(_LEADS)
        async with lab.services(database, ["lead_scoring"], replicas=replicas) as fleet:
            begun = monotonic()
            await watch(database.connection, _PROJECTED, 1, fleet.require_alive)
            seconds = monotonic() - begun
        await check(database, INTAKE_SERVICES, projected=["lead_scores"])
    return drained.rate, leads / seconds
