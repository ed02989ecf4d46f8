"""A worker's connections, with something that happens to it at a statement which a test chooses.

Every statement counts, and so does every COMMIT of an outermost transaction: what can be interrupted there can be
interrupted anywhere that matters to Postgres.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any

from services.runtime.database import Pool

_STATEMENTS = {"copy_records_to_table", "execute", "executemany", "fetch", "fetchrow", "fetchval"}


class Killed(BaseException):
    """The process is no more; nothing in it may catch this."""


class Kind(Enum):
    """What happens."""

    KILL = "the process is killed with -9"
    CUT = "Postgres ends the session"
    HOLD = "the process is frozen, until it may go on"


@dataclass(frozen=True)
class Interruption:
    """What happens at the statement that follows `at` others; or right after it, its answer lost."""

    kind: Kind
    at: int
    after: bool = False


class Interrupted:
    """A pool as a service has it, of a worker that meets an interruption once, if it comes so far."""

    def __init__(self, pool: Pool, owner: Pool, interruption: Interruption | None = None) -> None:
        self._pool, self._owner, self._interruption = pool, owner, interruption
        self._statements = 0
        self.killed = False
        self.commits = 0
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator["_Watched"]:
        """Give a connection, unless the process is no more."""
        if self.killed:
            raise Killed
        async with self._pool.acquire() as connection:
            yield _Watched(self, connection)

    async def step(self, connection: Any, act: Callable[[], Awaitable[Any]]) -> Any:
        """Do one statement, and whatever is to happen there."""
        due = self._interruption if self._interruption and self._interruption.at == self._statements else None
        self._statements += 1
        if due and not due.after:
            await self._happen(due, connection)
        result = await act()
        if due and due.after:
            await self._happen(due, connection)
            if due.kind is Kind.CUT:
                raise ConnectionResetError("the answer was lost")
        return result

    async def _happen(self, interruption: Interruption, connection: Any) -> None:
        self.reached.set()
        match interruption.kind:
            case Kind.KILL:
                self.killed = True
                session = connection.get_server_pid()
                connection.terminate()
                await self._end(session)  # Postgres finds out by itself, in its own time
                raise Killed
            case Kind.CUT:
                await self._end(connection.get_server_pid())
            case Kind.HOLD:
                await self.go.wait()

    async def _end(self, session: int) -> None:
        await self._owner.execute("SELECT pg_terminate_backend($1, 5000)", session)


class _Transaction:
    """A transaction of a connection; a killed process rolls nothing back, that is left to Postgres."""

    def __init__(self, pool: Interrupted, connection: Any) -> None:
        self._pool, self._connection = pool, connection
        self._inner, self._outermost = connection.transaction(), not connection.is_in_transaction()

    async def start(self) -> None:
        await self._inner.start()

    async def commit(self) -> None:
        if self._outermost:
            await self._pool.step(self._connection, self._commit)
        else:
            await self._inner.commit()

    async def rollback(self) -> None:
        if not self._pool.killed:
            await self._inner.rollback()

    async def _commit(self) -> None:
        await self._inner.commit()
        self._pool.commits += 1


class _Watched:
    """One connection, whose statements count."""

    def __init__(self, pool: Interrupted, connection: Any) -> None:
        self._pool, self._connection = pool, connection

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._connection, name)
        if name not in _STATEMENTS:
            return found

        async def counted(*words: Any, **more: Any) -> Any:
            return await self._pool.step(self._connection, partial(found, *words, **more))

        return counted

    def transaction(self) -> _Transaction:
        return _Transaction(self._pool, self._connection)
