"""`eventos db health`: what is large, which indexes earn their keep, which queries are slow."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import asyncpg
import typer

from services.operator.output import note, out, print_json, print_table
from services.operator.surroundings import database, settings_of_command
from services.runtime.database import Connection
from services.runtime.settings import Settings
from services.runtime.sql import load_queries

QUERIES = load_queries(__package__)

Rows = Sequence[Mapping[str, Any]]
_WIDEST = 100
"""Most characters of a query in a table; --json has all of it."""


@dataclass(frozen=True, slots=True)
class Health:
    """The three reports. `missing` says why there are no slow queries to tell of, None where there are."""

    sizes: Rows
    indexes: Rows
    slow_queries: Rows
    missing: str | None


def health_command(
    limit: Annotated[int, typer.Option(min=1, help="Most rows of each report.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the largest tables, how often each index was used, and the slowest queries.

    Months and other parts are counted with their table. Counts of rows are Postgres's estimates; those of scans go
    back to the last reset of its statistics. The slow queries are those of pg_stat_statements, where it is installed.

    Examples: `eventos db health` · `eventos db health --json | jq '.indexes[] | select(.scans == 0)'`
    """
    health = asyncio.run(_read(settings_of_command(), limit))
    if as_json:
        names = ("sizes", "indexes", "slow_queries")
        reports = {name: [dict(row) for row in getattr(health, name)] for name in names}
        print_json({**reports, "slow_queries_missing": health.missing})
        return
    print_table(
        ("schema", "table", "#rows", "#parts", "#table MB", "#indexes MB", "#total MB", "#KB/row"),
        (_size(row) for row in health.sizes),
        title="sizes",
    )
    out().print()
    print_table(
        ("table", "index", "#scans", "#entries read", "#rows fetched", "#MB", "serves"),
        (_usage(row) for row in health.indexes),
        title="use of indexes",
    )
    out().print()
    if health.missing:
        note(f"slow queries: {health.missing}")
        return
    print_table(
        ("#mean ms", "#most ms", "#calls", "query"), (_slow(row) for row in health.slow_queries), title="slow queries"
    )


async def _read(settings: Settings, limit: int) -> Health:
    """Read as the user of the URL: Postgres hides others' queries from those who may not monitor it."""
    async with database(settings, as_owner=True) as pool, pool.acquire() as connection:
        return await read_health(connection, limit)


async def read_health(connection: Connection, limit: int) -> Health:
    """Make the three reports, at most `limit` rows each."""
    sizes = await connection.fetch(QUERIES["table_sizes"], limit)
    indexes = await connection.fetch(QUERIES["index_usage"], limit)
    if not await connection.fetchval(QUERIES["has_statements"]):
        missing = "pg_stat_statements is not installed, so nobody has timed them (CREATE EXTENSION pg_stat_statements)"
        return Health(sizes, indexes, [], missing)
    try:
        return Health(sizes, indexes, await connection.fetch(QUERIES["slow_queries"], limit), None)
    except asyncpg.ObjectNotInPrerequisiteStateError:
        missing = "pg_stat_statements is installed but not loaded (shared_preload_libraries), so nobody has timed them"
        return Health(sizes, indexes, [], missing)


def _size(row: Mapping[str, Any]) -> tuple[Any, ...]:
    each = f"{row['total_bytes'] / row['rows'] / 1024:.2f}" if row["rows"] else None
    sizes = (f"{row[name] / 2**20:.1f}" for name in ("table_bytes", "index_bytes", "total_bytes"))
    return row["schema"], row["table"], f"{row['rows']:,}", row["parts"], *sizes, each


def _usage(row: Mapping[str, Any]) -> tuple[Any, ...]:
    counts = (f"{row[name]:,}" for name in ("scans", "entries_read", "rows_fetched"))
    return row["table"], row["index"], *counts, f"{row['bytes'] / 2**20:.1f}", row["serves"]


def _slow(row: Mapping[str, Any]) -> tuple[Any, ...]:
    query = " ".join(row["query"].split())
    shown = query if len(query) <= _WIDEST else f"{query[: _WIDEST - 1]}…"
    return f"{row['mean_ms']:.2f}", f"{row['most_ms']:.2f}", f"{row['calls']:,}", shown
