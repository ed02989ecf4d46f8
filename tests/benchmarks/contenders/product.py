"""The product: its services, as processes of their own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import LiteralString

from services.operator.processes import INTAKE_SERVICES
from services.runtime.settings import Settings
from tests.benchmarks.draining import IDLE, SETTLED, Drained, pids, watch
from tests.benchmarks.lab import Database, Lab
from tests.benchmarks.meters import Reading, Stored, growth, stored

BATCH_RECORDS: int = Settings.model_fields["batch_records"].default
"""Most records that it takes into a transaction. Those who write in batches take as many."""
PROJECTIONS: Mapping[str, str] = {"lead_scoring": "lead_scores", "event_dashboards": "dashboards"}
"""The services that only project, and their views."""
_KEYS: LiteralString = """
    SELECT count(*) FROM (SELECT DISTINCT kind, key, other FROM stale_marks WHERE projection = $1) AS keys
"""
_DONE: dict[str, LiteralString] = {
    "lead_scores": "SELECT (NOT EXISTS (SELECT FROM stale_marks WHERE projection = 'lead_scores'))::int::bigint",
    "dashboards": "SELECT (NOT EXISTS (SELECT FROM stale_marks WHERE projection = 'dashboards'))::int::bigint",
}
_WAITING: LiteralString = "SELECT count(*) FROM outbox"
_TOLD: LiteralString = "SELECT (NOT EXISTS (SELECT FROM outbox))::int::bigint"


@dataclass(frozen=True, slots=True)
class Work:
    """What services did, and what all of it cost from their start together to the end."""

    drained: Drained
    spent: Reading
    grown: Mapping[str, Stored]


async def drain(lab: Lab, database: Database, services: Sequence[str], *, replicas: int = 1) -> Work:
    """Let intake services drain their topics; of other services among them all work too must be done at the end.

    Each is so many processes. Time runs from the first look that finds records settled.
    """
    records = sum(database.backlog.counts[service] for service in services if service in INTAKE_SERVICES)
    sizes = await stored(database.connection)
    async with lab.services(database, services, replicas=replicas) as fleet:
        meter = lab.meter(pids(fleet))
        before = meter.read()
        drained = await watch(database.connection, SETTLED, records, fleet.require_alive)
        settled = monotonic()
        if set(services) - set(INTAKE_SERVICES):
            await watch(database.connection, IDLE, 1, fleet.require_alive)
        drained = Drained(drained.settled, drained.seconds + monotonic() - settled)
        spent = meter.read().since(before)
    return Work(drained, spent, growth(sizes, await stored(database.connection)))


async def project(lab: Lab, database: Database, service: str) -> Work:
    """Let a projection compute all that intake left stale in its view; settled are keys."""
    view = PROJECTIONS[service]
    keys = await database.connection.fetchval(_KEYS, view)
    return await _finish(lab, database, service, _DONE[view], keys)


async def relay(lab: Lab, database: Database) -> Work:
    """Let the relay send what waits in the outbox; settled are rows."""
    return await _finish(lab, database, "outbox_relay", _TOLD, await database.connection.fetchval(_WAITING))


async def _finish(lab: Lab, database: Database, service: str, done: LiteralString, units: int) -> Work:
    sizes = await stored(database.connection)
    async with lab.services(database, [service]) as fleet:
        meter = lab.meter(pids(fleet))
        before = meter.read()
        await watch(database.connection, done, 1, fleet.require_alive)
        spent = meter.read().since(before)
    return Work(Drained(units, spent.seconds), spent, growth(sizes, await stored(database.connection)))
