"""Connections that keep account of each statement: time that passed, and processor time of ours and of Postgres."""

import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import asyncpg

from services.operator.processes import SERVICES
from services.runtime.database import OwnConnection
from services.runtime.sql import load_queries


@dataclass
class Spent:
    """Seconds of one step: of our processor, of Postgres's, and on the clock; and how often it was done."""

    client: float = 0.0
    server: float = 0.0
    clock: float = 0.0
    times: int = 0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            self.client + other.client, self.server + other.server, self.clock + other.clock, self.times + other.times
        )


Account = defaultdict[str, Spent]
"""By the name of the statement."""
_account: Account = defaultdict(Spent)


class Probe(OwnConnection):
    """A connection that keeps account. What it says of our processor is right while nothing else goes on here."""

    async def execute(self, query: str, *args: Any, **options: Any) -> str:
        status: str = await self._timed(name_of(query), partial(super().execute, query, *args, **options))
        return status

    async def fetch(self, query: str, *args: Any, **options: Any) -> Any:
        return await self._timed(name_of(query), partial(super().fetch, query, *args, **options))

    async def fetchrow(self, query: str, *args: Any, **options: Any) -> Any:
        return await self._timed(name_of(query), partial(super().fetchrow, query, *args, **options))

    async def fetchval(self, query: str, *args: Any, **options: Any) -> Any:
        return await self._timed(name_of(query), partial(super().fetchval, query, *args, **options))

    async def executemany(self, command: str, args: Iterable[Any], **options: Any) -> Any:
        return await self._timed(name_of(command), partial(super().executemany, command, args, **options))

    async def copy_records_to_table(self, table_name: str, **options: Any) -> Any:
        copy = partial(super().copy_records_to_table, table_name, **options)
        return await self._timed(f"COPY {table_name}", copy)

    async def copy_to_table(self, table_name: str, **options: Any) -> Any:
        return await self._timed(f"COPY {table_name}", partial(super().copy_to_table, table_name, **options))

    async def _timed(self, name: str, statement: Callable[[], Awaitable[Any]]) -> Any:
        schedule = Path(f"/proc/{self.get_server_pid()}/schedstat")
        server, client, clock = _processor(schedule), time.thread_time(), time.perf_counter()
        try:
            return await statement()
        finally:
            spent = _account[name]
            spent.clock += time.perf_counter() - clock
            spent.client += time.thread_time() - client
            spent.server += _processor(schedule) - server
            spent.times += 1


def _processor(schedule: Path) -> float:
    """Seconds that a process has computed, as Linux tells."""
    return int(schedule.read_text().split()[0]) / 1e9


@contextmanager
def probing() -> Iterator[None]:
    """Let pools that are opened in this block keep account."""
    probed = partial(asyncpg.create_pool, connection_class=Probe)
    with patch("services.runtime.database.asyncpg.create_pool", probed):
        yield


@contextmanager
def account() -> Iterator[Account]:
    """Yield an account of what statements do in the block."""
    _account.clear()
    found: Account = defaultdict(Spent)
    yield found
    found.update(_account)


def name_of(query: str) -> str:
    """The name that a statement has in its package's queries.sql, or its first word."""
    return _names().get(query.partition("\n")[0]) or query.split()[0].rstrip(";").upper()


@cache
def _names() -> Mapping[str, str]:
    """By the first line of each, which says in words what it does: other lines are filled in."""
    packages = ("services.runtime", *(f"services.{service}" for service in SERVICES))
    return {text.partition("\n")[0]: name for package in packages for name, text in load_queries(package).items()}
