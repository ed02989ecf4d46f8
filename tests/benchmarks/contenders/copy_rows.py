"""The floor of all writing: COPY of the fact rows alone, in as many lanes and as large batches as a service has."""

import asyncio
from collections.abc import Sequence
from io import BytesIO
from time import perf_counter

import asyncpg

from services.runtime.database import SEARCH_PATH, Connection
from tests.benchmarks.draining import Drained
from tests.benchmarks.lab import Database

FACTS = {"sponsor_activity": "sponsor_activities", "email_engagement": "email_events", "ticket_sales": "ticket_events"}
_PAGES = "SELECT pg_relation_size($1::text::regclass) / current_setting('block_size')::bigint"


async def drain(database: Database, service: str) -> Drained:
    """Take the facts that `service` has stored in `database`, and copy them into the same table once more.

    The table keeps its indexes, keys and checks; the bytes are those that Postgres itself gave out. What else is in
    the database no longer fits the facts afterwards.
    """
    table, lanes = FACTS[service], database.settings.lanes
    rows: int = await database.connection.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608 - one of three names
    batches = await _read(database.connection, table, rows, database.settings.batch_records)
    await database.connection.execute(f"TRUNCATE {table}")
    connections = [
        await asyncpg.connect(database.url, server_settings={"search_path": SEARCH_PATH}) for _ in range(lanes)
    ]
    started = perf_counter()
    await asyncio.gather(
        *(_write(connection, table, batches[lane::lanes]) for lane, connection in enumerate(connections))
    )
    seconds = perf_counter() - started
    for connection in connections:
        await connection.close()
    return Drained(rows, seconds)


async def _read(connection: Connection, table: str, rows: int, at_once: int) -> list[bytes]:
    """The table's rows as they lie there, in binary COPY files of about `at_once` rows."""
    pages: int = await connection.fetchval(_PAGES, table)
    step = max(1, pages * at_once // rows)
    files = []
    for page in range(0, pages, step):
        output = BytesIO()
        await connection.copy_from_query(
            f"SELECT * FROM {table} WHERE ctid >= '({page},0)' AND ctid < '({page + step},0)'",  # noqa: S608
            output=output,
            format="binary",
        )
        files.append(output.getvalue())
    return files


async def _write(connection: Connection, table: str, files: Sequence[bytes]) -> None:
    for file in files:
        await connection.copy_to_table(table, source=BytesIO(file), format="binary")
