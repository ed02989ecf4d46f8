"""What must hold after every run: each record settled once, and a sample of views as separate code computes them."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, LiteralString

import orjson

from contracts.topics import TICKET_SALES
from services.event_dashboards.app import Dashboards
from services.lead_scoring.app import LeadScores
from services.lead_scoring.rules import load_rules
from services.operator.kafka_clients import reader
from services.operator.output import Failure
from services.operator.standing import INTAKE_TOPICS
from services.operator.state import QUERIES
from services.operator.surroundings import database as pool_of
from services.runtime.database import Connection
from services.runtime.projection import Key
from tests.benchmarks.lab import Backlog, Database
from tests.benchmarks.workload import AS_OF
from tests.support.truth import expected_state

_APPLIED: LiteralString = "SELECT partition, applied FROM stream_offsets WHERE service = $1 AND next_offset > 0"
VIEWS = ("lead_scores", "dashboards")
_SPONSORS, _EVENTS = 13, 3
"""How many are looked at: some of those with much traffic, and some of those with little."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Some sponsors and events, and all records that have to do with any of them, by service, in their order."""

    sponsors: Sequence[str]
    events: Sequence[str]
    records: Mapping[str, Sequence[Mapping[str, Any]]]


async def check(
    database: Database, services: Collection[str], *, projected: Collection[str] = (), before: int = 0
) -> None:
    """Raise Failure unless these intake services have settled their topics, and a sample of the views is right.

    Views that nobody has `projected` yet are computed for the sample, and left as they were. `before` is how many rows
    the ledger had beforehand.
    """
    sample = sample_of(database.backlog)
    await _require_balance(database, services, before)
    async with pool_of(database.settings, as_owner=True) as pool, pool.acquire() as connection:
        scratch = connection.transaction()
        await scratch.start()
        try:
            if "lead_scores" not in projected:
                await _score(connection, sample)
            if "dashboards" not in projected:
                await _count(connection, sample)
            actual = await _actual(connection, sample)
        finally:
            await scratch.rollback()
    require_agreement(expected(database.backlog, frozenset(services)), actual)


async def _require_balance(database: Database, services: Collection[str], before: int) -> None:
    async with reader(database.settings) as client:
        for service in services:
            name = INTAKE_TOPICS[service].full_name(database.settings.topic_prefix)
            published = {tp.partition: end for tp, end in (await client.ends([name])).items() if end}
            rows = await database.connection.fetch(_APPLIED, service)
            applied = {row["partition"]: row["applied"] for row in rows}
            if applied != published:
                raise Failure(f"{service} has not applied each record once", f"{applied}, of {published} published")
    claimed = await database.connection.fetchval("SELECT count(*) FROM processed_events")
    if claimed != (due := before + sum(database.backlog.counts[service] for service in services)):
        raise Failure(f"the ledger has {claimed:,} events", f"{due:,} were due")


async def _score(connection: Connection, sample: Sample) -> None:
    await LeadScores(load_rules()).project(connection, [Key("sponsor", sponsor) for sponsor in sample.sponsors])


async def _count(connection: Connection, sample: Sample) -> None:
    now = datetime.combine(AS_OF, datetime.min.time(), UTC)
    await Dashboards(lambda: now).project(connection, [Key("event", event) for event in sample.events])


async def _actual(connection: Connection, sample: Sample) -> dict[str, list[dict[str, Any]]]:
    leads = await connection.fetch(
        f"SELECT * FROM ({QUERIES['state_lead_scores']}) AS state WHERE sponsor_id = ANY ($1::text[])"  # noqa: S608
        " ORDER BY sponsor_id, event_id",
        sample.sponsors,
    )
    dashboards = await connection.fetch(
        f"SELECT * FROM ({QUERIES['state_dashboards']}) AS state WHERE event_id = ANY ($1::text[]) ORDER BY event_id",  # noqa: S608
        sample.events,
    )
    return {"lead_scores": [_plain(row) for row in leads], "dashboards": [_plain(row) for row in dashboards]}


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Write times as the expected state has them."""
    return {
        name: value.isoformat(timespec="microseconds").replace("+00:00", "Z") if isinstance(value, datetime) else value
        for name, value in row.items()
    }


def require_agreement(
    due: Mapping[str, Sequence[Mapping[str, Any]]], actual: Mapping[str, Sequence[Mapping[str, Any]]]
) -> None:
    """Raise Failure unless the rows of each view are equal, in every field."""
    for view, rows in due.items():
        if list(actual[view]) != list(rows):
            wrong = [(a, b) for a, b in zip(rows, actual[view], strict=False) if a != b]
            first = f"\nexpected {wrong[0][0]}\nfound {wrong[0][1]}" if wrong else ""
            raise Failure(f"{view} are wrong", f"{len(rows)} rows expected, {len(actual[view])} found{first}")


@cache
def expected(backlog: Backlog, services: frozenset[str]) -> dict[str, list[dict[str, Any]]]:
    """Leads and dashboards of the sample once these services have settled their topics, by separate naive code."""
    sample = sample_of(backlog)
    records = [record for service in sorted(services) for record in sample.records[service]]
    state = expected_state(backlog.workload.core(), records, AS_OF)
    leads = [row for row in state["lead_scores"] if row["sponsor_id"] in sample.sponsors]
    if not leads or not records:
        raise Failure("the sample has no leads: nothing would be checked")
    return {
        "lead_scores": leads,
        "dashboards": [row for row in state["dashboards"] if row["event_id"] in sample.events],
    }


@cache
def sample_of(backlog: Backlog) -> Sample:
    """Choose, and go through all records of the backlog once."""
    sponsors, events = _some(backlog.workload.sponsors, _SPONSORS, 3), _some(backlog.workload.events, _EVENTS, 6)
    names = [id_.encode() for id_ in (*sponsors, *events)]
    records = {service: list(_chosen(backlog, service, names)) for service in backlog.counts}
    return Sample(sponsors, events, records)


def _some(ids: Sequence[str], number: int, first: int) -> Sequence[str]:
    return ids[min(first, len(ids) - 1) :: max(1, len(ids) // number)][:number]


def _chosen(backlog: Backlog, service: str, names: Sequence[bytes]) -> Iterator[dict[str, Any]]:
    """The records of a topic that name any of `names`; with one record of an order come all of the same order."""
    topic = INTAKE_TOPICS[service]
    values = (value for _, value in backlog.workload.records(topic, backlog.counts[service]))
    if topic is not TICKET_SALES:
        for value in values:
            if any(name in value for name in names):
                yield {"topic": topic.name, "value": value.decode()}
        return
    orders: defaultdict[str, list[bytes]] = defaultdict(list)
    for number, value in enumerate(values):
        orders[orjson.loads(value)["data"].get("order_id", f"none {number}")].append(value)
    for own in orders.values():
        if any(name in value for value in own for name in names):
            yield from ({"topic": topic.name, "value": value.decode()} for value in own)
