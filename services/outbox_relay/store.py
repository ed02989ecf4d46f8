"""The relay's reads and deletes: one function per named query, taking a connection."""

from collections.abc import Collection, Sequence
from uuid import UUID

from services.outbox_relay.domain import Row
from services.runtime.database import Connection, fetch_one
from services.runtime.sql import load_queries

queries = load_queries(__package__)


async def take_over(connection: Connection) -> bool:
    """Become the active relay for as long as `connection` lives; False while another is."""
    return bool(await connection.fetchval(queries["take_over"]))


async def give_up_when_silent(connection: Connection, seconds: int) -> None:
    """Let Postgres end this session, and with it the lock, once it has been silent for `seconds`."""
    await connection.execute(queries["give_up_when_silent"], f"{seconds}s")


async def installation(connection: Connection) -> bytes:
    """The namespace of this installation's derived events: the 16 bytes of its UUID."""
    return UUID(await connection.fetchval(queries["installation"])).bytes


async def next_rows(connection: Connection, limit: int, without: Collection[str]) -> list[Row]:
    """The oldest rows, oldest first, save those of the topics `without`."""
    return [Row._make(row) for row in await connection.fetch(queries["next_rows"], limit, sorted(without))]


async def delete_sent(connection: Connection, ids: Sequence[int]) -> None:
    """Remove rows that are in Kafka."""
    await connection.execute(queries["delete_sent"], ids)


async def backlog(connection: Connection) -> tuple[int, float]:
    """Rows that wait, and the age of the oldest in seconds."""
    row = await fetch_one(connection, queries["backlog"])
    return row["pending"], row["oldest_age"]
