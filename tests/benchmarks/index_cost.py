"""`make bench-indexes`: what each index of the hot tables costs a row that is written.

The same rows are written to a copy of the table with all its indexes and to copies without one of them each, batch by
batch in turn, and all of it several times. Of each batch the least time counts: the server's processor time, for others
compute on the machine too. The copies begin empty and fit in memory: the differences are what to read, and large tables
pay more for keys that come in no order.
"""

import argparse
import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from services.operator.db.sample import KINDS, Pen, Row
from services.runtime.database import Connection, connect_pool
from services.runtime.settings import Settings
from tests.benchmarks.databases import scratch_database

BATCH = 2000
UPDATED = {"sponsor_lead_scores": "score = 100 - copy.score, scored_at = now()"}
"""Tables whose rows are mostly updated, and what a projection writes then; the others are only added to."""


def _signal(pen: Pen) -> Row:
    return {
        "service": "email_engagement", "sponsor_id": pen.id(), "event_id": pen.known(), "signal": "email_opened",
        "day": pen.moment().date(), "n": 1,
    }  # fmt: skip


TABLES = {
    **{
        name: KINDS[name].make
        for name in ("sponsor_activities", "agent_sales_activities", "email_events", "email_messages")
    },
    "processed_events": KINDS["processed_events"].make,
    "lead_signals": _signal,
    "sponsor_lead_scores": KINDS["sponsor_lead_scores"].make,
}


INDEXES = r"""
    SELECT c.relname::text, regexp_replace(pg_get_indexdef(c.oid), 'INDEX \S+ ON (ONLY )?\S+', 'INDEX {} ON {}'),
           i.indisunique, obj_description(c.oid, 'pg_class')
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE i.indrelid = $1::text::regclass
    ORDER BY i.indisunique DESC, c.relname
"""
COLUMNS = """
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
    WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped
"""


@dataclass(frozen=True, slots=True)
class Index:
    """An index of the original table; `key` where uniqueness is what it is for."""

    name: str
    definition: str
    key: bool
    serves: str | None


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds a row with all indexes, and without each."""

    table: str
    everything: float
    without: Mapping[Index, float]


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000, help="rows written to each copy")
    parser.add_argument("--rounds", type=int, default=3, help="how often all of it is done")
    options = parser.parse_args()
    with scratch_database() as url:
        costs = asyncio.run(_measure(url, options.rows, options.rounds))
    _print(costs, options.rows)


async def _measure(url: str, rows: int, rounds: int) -> list[Cost]:
    settings = Settings(kafka_bootstrap_servers="unused:1", database_url=SecretStr(url))
    console = Console(stderr=True)
    async with await connect_pool(settings, "index-cost", as_owner=True) as pool, pool.acquire() as connection:
        await connection.execute("CREATE SCHEMA copies; SET synchronous_commit TO off")
        with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
            task = progress.add_task("tables", total=len(TABLES))
            costs = []
            for table in TABLES:
                costs.append(await _cost(connection, table, rows, rounds))
                progress.advance(task)
    return costs


async def _cost(connection: Connection, table: str, rows: int, rounds: int) -> Cost:
    indexes = [Index(*row) for row in await connection.fetch(INDEXES, table)]
    columns = await _stage(connection, table, rows)
    variants = [None, *(index for index in indexes if not (index.key and table in UPDATED))]  # found by their key
    best: defaultdict[Index | None, defaultdict[int, float]] = defaultdict(lambda: defaultdict(lambda: float("inf")))
    for turn in range(rounds):
        for number, left_out in enumerate(variants):
            kept = [index for index in indexes if index != left_out]
            await _make(connection, table, number, kept, columns)
        for start in range(0, rows, BATCH):
            for number, left_out in [*enumerate(variants)][:: 1 if turn % 2 else -1]:
                seconds = await _write(connection, table, number, columns, start)
                best[left_out][start] = min(best[left_out][start], seconds)
    per_row = {variant: 1_000_000 * sum(batches.values()) / rows for variant, batches in best.items()}
    return Cost(table, per_row[None], {index: per_row[index] for index in indexes if index in per_row})


async def _stage(connection: Connection, table: str, rows: int) -> str:
    """Make the rows and put them into copies.stage, numbered; return the list of the columns that they fill."""
    await connection.execute("DROP TABLE IF EXISTS copies.stage")
    await connection.execute(f"CREATE UNLOGGED TABLE copies.stage (LIKE {table} INCLUDING DEFAULTS, number integer)")
    pen, by_columns = Pen(1), defaultdict[tuple[str, ...], list[tuple[object, ...]]](list)
    for number in range(rows):
        row = TABLES[table](pen)
        by_columns[(*row, "number")].append((*row.values(), number))
    for names, records in by_columns.items():
        await connection.copy_records_to_table("stage", schema_name="copies", columns=list(names), records=records)
    await connection.execute("CREATE INDEX ON copies.stage (number); ANALYZE copies.stage")
    every: str = await connection.fetchval(COLUMNS, table)
    return every


async def _make(connection: Connection, table: str, number: int, indexes: Sequence[Index], columns: str) -> None:
    """Make an empty copy with these indexes; one with all rows where updates are measured."""
    copy = f"copies.copy_{number}"
    await connection.execute(f"DROP TABLE IF EXISTS {copy}")
    await connection.execute(f"CREATE TABLE {copy} (LIKE {table} INCLUDING ALL EXCLUDING INDEXES)")
    for place, index in enumerate(indexes):
        definition = index.definition.format(f"copy_{number}_{place}", copy)
        await connection.execute(definition)
    if table in UPDATED:
        await connection.execute(f"INSERT INTO {copy} ({columns}) SELECT {columns} FROM copies.stage")  # noqa: S608
        await connection.execute(f"VACUUM ANALYZE {copy}")


async def _write(connection: Connection, table: str, number: int, columns: str, start: int) -> float:
    """Write the batch that begins at `start` to a copy, or update it there; return the seconds that took."""
    copy = f"copies.copy_{number}"
    batch = "FROM copies.stage AS staged WHERE staged.number >= $1 AND staged.number < $2"
    if table in UPDATED:
        write = f"UPDATE {copy} AS copy SET {UPDATED[table]} {batch} AND copy.id = staged.id"  # noqa: S608
    else:
        write = f"INSERT INTO {copy} ({columns}) SELECT {columns} {batch}"
    started = _clock(connection)
    await connection.execute(write, start, start + BATCH)
    return _clock(connection) - started


def _clock(connection: Connection) -> float:
    """Seconds that Postgres's process has computed for us, where Linux tells: others compute on this machine too."""
    told = Path(f"/proc/{connection.get_server_pid()}/schedstat")
    return int(told.read_text().split()[0]) / 1e9 if told.exists() else time.perf_counter()


def _print(costs: Sequence[Cost], rows: int) -> None:
    table = Table(title=f"microseconds a row, {rows:,} rows in batches of {BATCH:,}")
    for heading in ("table", "index"):
        table.add_column(heading)
    for heading in ("with all", "without it", "it costs"):
        table.add_column(heading, justify="right")
    table.add_column("for")
    for cost in costs:
        for index, without in cost.without.items():
            purpose = index.serves or ("uniqueness" if index.key else None)
            table.add_row(
                cost.table, index.name, f"{cost.everything:.1f}", f"{without:.1f}", f"{cost.everything - without:.1f}",
                purpose,
            )  # fmt: skip
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
