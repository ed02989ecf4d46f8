"""Meters: processor time by who spent it, the log that Postgres wrote, and what its tables take."""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil
import psycopg

from infra.local.stack import Stack
from services.runtime.database import Connection

MEBIBYTE = 2**20
"""Bytes."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Wall-clock seconds, processor seconds of the contender, of Postgres and of Kafka, and bytes of WAL."""

    seconds: float
    contender: float
    postgres: float
    kafka: float
    wal_bytes: int

    def since(self, before: "Reading") -> "Reading":
        """What was spent between two readings."""
        return Reading(
            self.seconds - before.seconds, self.contender - before.contender, self.postgres - before.postgres,
            self.kafka - before.kafka, self.wal_bytes - before.wal_bytes,
        )  # fmt: skip


class Meter:
    """Reads what a contender, of these process ids, and the servers of the stack have spent."""

    def __init__(self, stack: Stack, pids: Iterable[int]) -> None:
        self._url = stack.addresses.database_url
        self._servers = {server.name: [psutil.Process(server.process.pid)] for server in stack.servers}
        self._contender = [psutil.Process(pid) for pid in pids]

    def read(self) -> Reading:
        """Take a reading. Time spent by processes that have ended counts as long as their parent has not."""
        with psycopg.connect(self._url) as connection:
            row = connection.execute("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint").fetchone()
        assert row is not None
        return Reading(
            time.monotonic(), processor_seconds(self._contender), processor_seconds(self._servers["Postgres"]),
            processor_seconds(self._servers["Kafka"]), row[0],
        )  # fmt: skip


def processor_seconds(roots: Sequence[psutil.Process]) -> float:
    """Seconds of processor that processes and all that descends from them have spent, in user and in system mode."""
    total = 0.0
    for root in roots:
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):  # ended just now: its parent has its time
                times = process.cpu_times()
                ended = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
                total += times.user + times.system + ended
    return total


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes of a table, or of several."""

    table: int
    indexes: int

    def __add__(self, other: "Stored") -> "Stored":
        return Stored(self.table + other.table, self.indexes + other.indexes)


_SIZES = """
    SELECT c.oid::regclass::text AS name, pg_table_size(c.oid) AS table, pg_indexes_size(c.oid) AS indexes
      FROM pg_class AS c
     WHERE c.relkind = 'r' AND c.relnamespace IN ('public'::regnamespace, 'streams'::regnamespace,
                                                  'streams_g1'::regnamespace)
"""


async def stored(connection: Connection) -> dict[str, Stored]:
    """The bytes of each table with its own storage."""
    return {row["name"]: Stored(row["table"], row["indexes"]) for row in await connection.fetch(_SIZES)}


def growth(before: Mapping[str, Stored], after: Mapping[str, Stored]) -> dict[str, Stored]:
    """The bytes that came, of each table that grew."""
    nothing = Stored(0, 0)
    return {
        name: Stored(now.table - before.get(name, nothing).table, now.indexes - before.get(name, nothing).indexes)
        for name, now in after.items()
        if now != before.get(name, nothing)
    }
