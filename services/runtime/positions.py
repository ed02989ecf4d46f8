"""Positions: how far a consumer has settled each partition, and with what outcomes. They live with the effects.

The row of a partition is its fence: whoever holds it locked is the only one to move past it, and a batch that comes
late finds it beyond its records.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import asyncpg

from contracts.envelope import Event, Refused
from services.runtime.database import Connection
from services.runtime.ledger import Verdict
from services.runtime.records import Item
from services.runtime.sql import load_queries

queries = load_queries(__package__)


@dataclass(frozen=True, slots=True)
class Position:
    """The stored position of one partition: the next offset to settle, and the outcomes of all before it."""

    partition: int
    next_offset: int
    applied: int
    duplicate: int
    dead_lettered: int
    refused_in_row: int
    stopped_reason: str | None


@dataclass(slots=True)
class Tally:
    """The outcomes of one batch in one partition. `limit_at` is the offset that reached the limit, if one did."""

    partition: int
    next_offset: int
    refused_in_row: int
    applied: int = 0
    duplicate: int = 0
    dead_lettered: int = 0
    limit_at: int | None = None


def tally(fence: Mapping[int, Position], items: Sequence[Item], verdicts: Sequence[Verdict], limit: int) -> list[Tally]:
    """Count the verdicts per partition, going on from the refusals in a row that the fence knows of."""
    tallies: dict[int, Tally] = {}
    for item, verdict in zip(items, verdicts, strict=True):
        partition = item.record.partition
        if partition not in tallies:
            tallies[partition] = Tally(partition, 0, fence[partition].refused_in_row)
        count = tallies[partition]
        count.next_offset = item.record.offset + 1
        if isinstance(verdict, Refused):
            count.dead_lettered += 1
            count.refused_in_row += 1
            if count.refused_in_row >= limit and count.limit_at is None:
                count.limit_at = item.record.offset
        else:
            count.refused_in_row = 0
            count.applied += isinstance(verdict, Event)
            count.duplicate += not isinstance(verdict, Event)
    return list(tallies.values())


async def claim(connection: Connection, consumer: str, topic: str, earliest: Mapping[int, int]) -> dict[int, Position]:
    """Return the positions of partitions just assigned; one that was never consumed starts at `earliest`.

    Waits for a transaction that still holds a row (a former owner's last batch), up to the session's lock_timeout.
    """
    partitions = sorted(earliest)
    await connection.execute(
        queries["add_positions"], consumer, topic, partitions, [earliest[partition] for partition in partitions]
    )
    return await fence(connection, consumer, topic, partitions)


async def fence(connection: Connection, consumer: str, topic: str, partitions: Collection[int]) -> dict[int, Position]:
    """Lock and return the positions of `partitions`; the lock lasts until the transaction ends."""
    rows = await connection.fetch(queries["fence"], consumer, topic, sorted(partitions))
    return {position.partition: position for position in map(_position, rows)}


async def advance(
    connection: Connection, consumer: str, topic: str, tallies: Iterable[Tally], limit: int
) -> list[Position]:
    """Move the positions past a batch, add its outcomes, stop what reached `limit`; return the new rows."""
    rows = await connection.fetch(
        queries["advance"],
        consumer,
        topic,
        *map(
            list,
            zip(
                *(
                    (t.partition, t.next_offset, t.applied, t.duplicate, t.dead_lettered, t.refused_in_row)
                    for t in tallies
                ),
                strict=True,
            ),
        ),
        [f"{limit} records in a row were refused" if t.limit_at is not None else None for t in tallies],
    )
    return [_position(row) for row in rows]


async def stop(connection: Connection, consumer: str, topic: str, partition: int, reason: str) -> None:
    """Stop a partition: nothing of it is consumed until `eventos resume`."""
    await connection.execute(queries["stop_partition"], consumer, topic, partition, reason)


async def skip_gap(connection: Connection, consumer: str, topic: str, partition: int, to_offset: int) -> None:
    """Move a position over records that the broker no longer has. Never moves it back."""
    await connection.execute(queries["skip_gap"], consumer, topic, partition, to_offset)


def _position(row: asyncpg.Record) -> Position:
    return Position(*row)
