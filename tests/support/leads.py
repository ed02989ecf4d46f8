"""Leads as tests see them: counts as intake would add them, rounds of the view, rows, and what is told."""

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import date
from typing import Any, TypeVar

import orjson

from services.lead_scoring.app import LeadScores, take_turn
from services.lead_scoring.rules import Rules, load_rules
from services.runtime.database import Connection
from services.runtime.effects import Derived
from services.runtime.projection import Key
from tests.support.crm import add_event, add_sponsor

TODAY = date(2026, 11, 1)
RULES = load_rules()
VIEW = LeadScores(RULES)
Result = TypeVar("Result")
SERVICES = {"email": "email_engagement", "ticket": "ticket_sales"}


async def count(
    connection: Connection, sponsor: str, event: str | None, signal: str, n: int = 1, day: date = TODAY
) -> None:
    """Add to a count, and mark its pair, as an intake service would."""
    service = SERVICES.get(signal.split("_")[0], "sponsor_activity")
    await connection.execute(
        "INSERT INTO lead_signals AS g (service, sponsor_id, event_id, signal, day, n)"
        " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (sponsor_id, event_id, signal, day, service)"
        " DO UPDATE SET n = g.n + excluded.n",
        service, sponsor, event, signal, day, n,
    )  # fmt: skip
    await connection.execute(
        "INSERT INTO stale_marks (projection, shard, kind, key, other)"
        " VALUES ('lead_scores', shard_of($1), 'pair', $1, $2)",
        sponsor, event,
    )  # fmt: skip


async def as_service(connection: Connection) -> None:
    """Go on with the rights of the service until the transaction ends."""
    await connection.execute("SET LOCAL ROLE eventos_lead_scoring")


async def turn(connection: Connection, day: date, *, rules: Rules = RULES, fixed: bool = False) -> bool:
    """Begin a day with the rights of the service."""
    async with connection.transaction():
        await as_service(connection)
        return await take_turn(connection, day, rules, fixed=fixed)


async def project(connection: Connection, *keys: Key) -> list[Derived]:
    """Take one round over these keys."""
    async with connection.transaction():
        await as_service(connection)
        return await VIEW.project(connection, keys)


async def take_marks(connection: Connection) -> set[Key]:
    """Take all marks of the view; several on one key are one."""
    rows = await connection.fetch(
        "DELETE FROM stale_marks WHERE projection = 'lead_scores' RETURNING kind, key::text, other::text"
    )
    return {Key(*row) for row in rows}


async def drain(connection: Connection) -> list[Derived]:
    """Take rounds until nothing is stale."""
    derived: list[Derived] = []
    while keys := await take_marks(connection):
        derived += await project(connection, *keys)
    return derived


async def leads(connection: Connection) -> dict[tuple[str, str], dict[str, Any]]:
    """All rows, by pair."""
    rows = await connection.fetch(
        "SELECT *, sponsor_id::text AS sponsor, event_id::text AS event, insights::text AS why FROM sponsor_lead_scores"
    )
    return {(row["sponsor"], row["event"]): {**row, "why": orjson.loads(row["why"])} for row in rows}


async def engagement_of(connection: Connection, sponsor: str) -> int:
    points: int = await connection.fetchval("SELECT engagement_score FROM sponsors WHERE id = $1", sponsor)
    return points


def told(derived: Sequence[Derived]) -> dict[str, Any]:
    """What is told by key; None is a tombstone."""
    assert {it.topic for it in derived} <= {"lead-scores"}
    assert len({it.key for it in derived}) == len(derived)
    return {it.key: orjson.loads(it.data or b"null") for it in derived}


async def new_pair(connection: Connection) -> tuple[str, str]:
    """A sponsor and an event, nothing stale about them any more."""
    pair = await add_sponsor(connection), await add_event(connection)
    await take_marks(connection)
    return pair


async def version_of(connection: Connection, sponsor: str) -> tuple[int, int]:
    """Numbers that change when the sponsor's row, and that of its only lead, are written."""
    row = await connection.fetchrow(
        "SELECT s.xmin::text::bigint, l.xmin::text::bigint AS lead_xmin"
        " FROM sponsors s JOIN sponsor_lead_scores l ON l.sponsor_id = s.id WHERE s.id = $1",
        sponsor,
    )
    assert row is not None
    return row[0], row[1]


async def start(observer: Connection, worker: Connection, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
    """Start `work` on the connection `worker`; return once it waits for a lock that another session holds."""
    pid = worker.get_server_pid()
    task = asyncio.create_task(work)
    while not await observer.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", pid):
        assert not task.done(), "it does not wait"
    return task
