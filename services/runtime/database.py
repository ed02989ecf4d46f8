"""Connections to Postgres, and what each of its errors asks of us."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson
from asyncpg.pool import PoolConnectionProxy
from tenacity import AsyncRetrying, retry_if_exception, wait_exponential_jitter

from services.runtime.settings import Settings

if TYPE_CHECKING:  # the types are generic in the stubs only
    OwnConnection = asyncpg.Connection[Any]
    Connection = OwnConnection | PoolConnectionProxy[Any]
    Pool = asyncpg.Pool[Any]
else:
    OwnConnection = asyncpg.Connection
    Connection = OwnConnection | PoolConnectionProxy
    Pool = asyncpg.Pool

COMMAND_TIMEOUT = 60.0
"""Seconds after which a database that answers nothing is taken to be gone; it gives up itself long before."""

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""Where Postgres counts from."""
_FIRST_DAY = _EPOCH.toordinal()
REMEMBERED_DAYS = 4096
"""Days that are read again and again: counts by the day are most of what lead scoring reads."""

SEARCH_PATH = "streams_g1, streams, public, extensions"
"""The first schema is the generation (docs/architecture.md, Generations); no SQL of a service names a schema.

The last is where Supabase keeps pgvector; where there is no such schema, naming it does no harm.
"""


class Fault(Enum):
    """What an error that ended a transaction asks for."""

    TRANSIENT = "wait, then try the same again"
    RECHECK = "look again at the rows that were referred to, and try again"
    SPLIT = "too much at once: try each half"
    POISON = "halve until the record at fault is found"
    STOP = "our SQL or our rights are wrong: no record is to blame"


_BY_CLASS = {
    "08": Fault.TRANSIENT,  # connection exception
    "25": Fault.TRANSIENT,  # invalid transaction state: an idle transaction was ended, the server became a standby
    "40": Fault.TRANSIENT,  # serialization failure, deadlock
    "53": Fault.TRANSIENT,  # insufficient resources: disk full, too many connections
    "54": Fault.POISON,  # program limit exceeded: a row too large for its index
    "57": Fault.TRANSIENT,  # operator intervention: shutdown, cannot connect now
    "58": Fault.TRANSIENT,  # system error: I/O
    "XX": Fault.STOP,
    "22": Fault.POISON,  # data exception
    "23": Fault.POISON,  # integrity constraint violation
    "28": Fault.STOP,  # invalid authorization
    "3D": Fault.STOP,  # no such database
    "3F": Fault.STOP,  # no such schema
    "42": Fault.STOP,  # syntax error, undefined name, insufficient privilege
}
_BY_CODE = {
    "25P02": Fault.POISON,  # a statement after one that failed: somebody swallowed its error
    "55P03": Fault.TRANSIENT,  # lock not available
    "23503": Fault.RECHECK,  # foreign key: a row was deleted since we looked
    "57014": Fault.SPLIT,  # statement timeout
}


def classify(error: BaseException) -> Fault:
    """Say what `error`, raised inside a batch's transaction, asks for.

    Errors that are neither Postgres' nor the network's come from a handler: POISON. 23514 is STOP when no
    partition takes the row, for that is our omission. A migration may outdate what a session has prepared or
    remembers of types; asyncpg forgets it by raising this. Its internal errors are those of a session that was ended
    at an awkward moment; it gives the connection up.
    """
    if isinstance(error, asyncpg.InvalidCachedStatementError | asyncpg.InternalClientError):
        return Fault.TRANSIENT
    if isinstance(error, asyncpg.PostgresError):
        code = error.sqlstate or ""
        if code == "23514" and "no partition of relation" in str(error):
            return Fault.STOP
        return _BY_CODE.get(code) or _BY_CLASS.get(code[:2], Fault.STOP)
    if isinstance(error, asyncpg.InterfaceError):  # a ValueError too when a parameter could not be encoded
        return Fault.POISON if isinstance(error, ValueError) else Fault.TRANSIENT
    if isinstance(error, ssl.SSLCertVerificationError):  # an OSError, and yet no wait makes it trusted
        return Fault.STOP
    if isinstance(error, OSError | asyncio.TimeoutError):
        return Fault.TRANSIENT
    return Fault.POISON


def patiently(passing: Callable[[BaseException], bool]) -> AsyncRetrying:
    """Call again, at growing intervals up to five seconds and without end, what fails with a `passing` fault."""
    wait = wait_exponential_jitter(multiplier=0.05, max=5, jitter=0.05)
    return AsyncRetrying(retry=retry_if_exception(passing), wait=wait, reraise=True)


async def connect_pool(settings: Settings, service: str, *, size: int | None = None, as_owner: bool = False) -> Pool:
    """Open a pool whose sessions belong to `service`: its role, its time limits, JSON as Python objects.

    Sessions `as_owner` keep the rights of the address they connect with: for loading rows that upstream systems own.
    Raises the error of the first connection; the caller decides how long to wait for a database that is down.
    """
    return await asyncpg.create_pool(
        settings.database_url.get_secret_value(),
        min_size=1,
        max_size=size or settings.database_pool_size,
        server_settings=_session(service, as_owner=as_owner),
        init=_set_codecs,
        reset=_end_transaction,
        timeout=10,
        command_timeout=COMMAND_TIMEOUT,
    )


async def connect(settings: Settings, service: str) -> OwnConnection:
    """Open one connection outside the pool, for what holds it for long: listening, and the relay's lock."""
    connection = await asyncpg.connect(
        settings.database_url.get_secret_value(), server_settings=_session(service), timeout=10,
        command_timeout=COMMAND_TIMEOUT,
    )  # fmt: skip
    await _set_codecs(connection)
    return connection


async def fetch_one(connection: Connection, query: str, *arguments: object) -> asyncpg.Record:
    """Fetch the one row that `query` always has. Raises LookupError when there is none."""
    row: asyncpg.Record | None = await connection.fetchrow(query, *arguments)
    if row is None:
        raise LookupError(f"no row: {query.splitlines()[0]}")
    return row


@asynccontextmanager
async def acquire(pool: Pool) -> AsyncIterator[Connection]:
    """A connection of the pool; it is broken off when its user is cancelled.

    asyncpg would ask Postgres to give up what it is doing, and wait for that as long as for any command: a minute, when
    nothing answers. What it raised then would stand for the cancellation.
    """
    async with pool.acquire() as connection:
        with _cut_when_cancelled(connection):
            yield connection


@asynccontextmanager
async def transaction(connection: Connection) -> AsyncIterator[None]:
    """A transaction, or a savepoint in one; its connection is broken off when its user is cancelled.

    Postgres misses its client within a second, and rolls back.
    """
    block = connection.transaction()
    with _cut_when_cancelled(connection):
        await block.start()
        try:
            yield
        except asyncio.CancelledError:
            raise
        except BaseException:
            await block.rollback()
            raise
        await block.commit()


@contextmanager
def _cut_when_cancelled(connection: Connection) -> Iterator[None]:
    try:
        yield
    except asyncio.CancelledError:
        with suppress(asyncpg.InterfaceError):  # it may have gone already
            connection.terminate()
        raise


def _session(service: str, *, as_owner: bool = False) -> dict[str, str]:
    role = {} if as_owner else {"role": f"eventos_{service}"}
    return role | {
        "application_name": f"eventos-{service}",
        "search_path": SEARCH_PATH,
        "timezone": "UTC",
        # Statements must see what they waited for, whatever the server's default is.
        "default_transaction_isolation": "read committed",
        "lock_timeout": "5s",
        "statement_timeout": "30s",
        "idle_in_transaction_session_timeout": "30s",
        "client_connection_check_interval": "1s",  # who is gone holds nothing up
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
    }


async def _end_transaction(connection: Connection) -> None:
    """Make a session ready for its next user; it keeps nothing but a transaction that was left open.

    asyncpg's own way asks Postgres to forget locks, cursors and settings, at each release, which takes as long as a
    small statement.
    """
    if connection.is_in_transaction():
        await connection.reset()


async def _set_codecs(connection: Connection) -> None:
    """Read and write jsonb as Python objects, and every moment as itself.

    The binary form of jsonb (a version byte, then the text) is the one that COPY takes. asyncpg's own codecs take
    the first and the last moments of Python's calendar for infinities, and 0001-01-01T00:00:00Z is a valid time.
    """
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: b"\x01" + orjson.dumps(value),
        decoder=lambda data: orjson.loads(data[1:]),
        format="binary",
    )
    await connection.set_type_codec(
        "timestamptz",
        schema="pg_catalog",
        encoder=_microseconds,
        decoder=lambda since: _EPOCH + timedelta(microseconds=since[0]),
        format="tuple",
    )
    await connection.set_type_codec(
        "date",
        schema="pg_catalog",
        encoder=lambda day: (day.toordinal() - _FIRST_DAY,),
        decoder=_day,
        format="tuple",
    )


def _microseconds(moment: datetime) -> tuple[int]:
    since = moment - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds,)


@lru_cache(maxsize=REMEMBERED_DAYS)
def _day(since: tuple[int]) -> date:
    return date.fromordinal(_FIRST_DAY + since[0])
