"""`eventos db storage`: what the rows of an event take, measured, beside what the design estimated."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Annotated

import typer

from services.operator.db.sample import KINDS, Kind, Pen
from services.operator.output import note, print_json, print_table, progress
from services.operator.surroundings import database, settings_of_command
from services.runtime.database import Connection
from services.runtime.settings import Settings
from services.runtime.sql import load_queries

QUERIES = load_queries(__package__)

SEED = 20_251_017
_EMBEDDINGS = "sponsor_embeddings"
_AT_ONCE = 250
"""Rows written in one statement; of sponsors with embeddings this is about a second."""
_LEAST = 300
"""Rows of a table that are made at least, so that half-empty pages do not count."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A table's storage, in KB of 1,024 bytes. Estimates are None where there were none."""

    table: str
    rows_per_event: int
    kb_per_row: float
    of_it_indexes: float
    estimated_kb_per_row: float | None

    @property
    def kb_per_event(self) -> float:
        """What an event's rows take."""
        return self.kb_per_row * self.rows_per_event

    @property
    def estimated_kb_per_event(self) -> float | None:
        """What they were estimated to take."""
        each = self.estimated_kb_per_row
        return None if each is None else each * self.rows_per_event


def storage_command(
    events: Annotated[int, typer.Option(min=1, max=200, help="Events whose rows are made and measured.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure what an event's rows take, table by table, beside the estimates of the design.

    The rows are made up, of realistic content, and written to temporary copies of the tables with all their indexes,
    which vanish: no table of the database is written to. Tables without an estimate are what these rows bring along.

    Examples: `eventos db storage` · `eventos db storage --events 50 --json`
    """
    with progress() as bar:
        task = bar.add_task("making rows", total=sum(_made(kind, events) for kind in KINDS.values()))
        found = asyncio.run(_measure(settings_of_command(), events, lambda rows: bar.advance(task, rows)))
    if as_json:
        derived = ("kb_per_event", "estimated_kb_per_event")
        print_json([{**asdict(row), **{name: getattr(row, name) for name in derived}} for row in found])
        return
    columns = ("table", "#rows/event", "#KB/row", "#of it indexes", "#estimated", "#KB/event", "#estimated")
    estimated = [row for row in found if row.estimated_kb_per_row is not None]
    beside = [row for row in found if row.estimated_kb_per_row is None]
    rows = chain(
        map(_row, estimated), [_total("all that was estimated", estimated)], map(_row, beside), [_total("all", found)]
    )
    print_table(columns, rows, title=f"storage, of {events} events")
    note("sponsors: with their embeddings, which take 6 KB each, and again about 8 KB in their index")


async def _measure(settings: Settings, events: int, advance: Callable[[int], None]) -> list[Measured]:
    async with database(settings) as pool, pool.acquire() as connection:
        return await measure(connection, events, advance)


async def measure(
    connection: Connection, events: int, advance: Callable[[int], None] = lambda _: None
) -> list[Measured]:
    """Write the rows of so many events to scratch tables and say what each table's take, then let them vanish."""
    scratch = connection.transaction()
    await scratch.start()
    try:
        await connection.execute(QUERIES["make_scratch"])
        pen = Pen(SEED)
        for table, kind in KINDS.items():
            for start in range(0, _made(kind, events), _AT_ONCE):
                count = min(_AT_ONCE, _made(kind, events) - start)
                await _write(connection, table, kind, pen, count)
                advance(count)
        sizes = {row["name"]: row for row in await connection.fetch(QUERIES["scratch_sizes"])}
    finally:
        await scratch.rollback()

    def measured(table: str, kind: Kind) -> Measured:
        parts = [sizes[name] for name in ((table, _EMBEDDINGS) if table == "sponsors" else (table,))]
        indexes = sum(part["index_bytes"] for part in parts)
        total = indexes + sum(part["table_bytes"] for part in parts)
        per_row = 1024 * _made(kind, events)
        return Measured(table, kind.rows, total / per_row, indexes / per_row, kind.estimated_kb)

    return [measured(table, kind) for table, kind in KINDS.items()]


def _made(kind: Kind, events: int) -> int:
    return max(kind.rows * events, _LEAST)


async def _write(connection: Connection, table: str, kind: Kind, pen: Pen, count: int) -> None:
    """Write rows, column lists of one kind at a time: a column that a row does not name has its default."""
    by_columns: dict[tuple[str, ...], list[tuple[object, ...]]] = {}
    for row in (kind.make(pen) for _ in range(count)):
        by_columns.setdefault(tuple(row), []).append(tuple(row.values()))
    for columns, records in by_columns.items():
        await connection.copy_records_to_table(table, schema_name="pg_temp", records=records, columns=columns)
    if table == "sponsors":
        await connection.execute(QUERIES["embed_scratch"])


def _row(row: Measured) -> tuple[object, ...]:
    each = row.estimated_kb_per_row
    return (
        row.table, row.rows_per_event, f"{row.kb_per_row:.2f}", f"{row.of_it_indexes:.2f}",
        None if each is None else f"{each:g}", f"{row.kb_per_event:,.0f}",
        None if each is None else f"{row.estimated_kb_per_event:,.0f}",
    )  # fmt: skip


def _total(name: str, rows: list[Measured]) -> tuple[object, ...]:
    estimated = sum(row.estimated_kb_per_event or 0 for row in rows)
    total = sum(row.kb_per_event for row in rows)
    return name, sum(row.rows_per_event for row in rows), None, None, None, f"{total:,.0f}", f"{estimated:,.0f}"
