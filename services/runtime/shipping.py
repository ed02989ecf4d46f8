"""Shipping: how the rows of a batch reach the statements that read them.

A few go along with each statement, as an array of a composite type. Many are copied once, into a temporary table of
the session: an array costs the client more a row, a table that was used costs Postgres a file to empty at COMMIT
(docs/adr/0009).
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import asyncpg

from services.runtime.database import Connection
from services.runtime.sql import load_queries

queries = load_queries(__package__)

FEW = 200
"""Rows up to which they go along with a statement."""


class Shipment:
    """Rows for statements of one transaction.

    `shape` is a composite type of the schema, or a table for its row type, and each row a tuple of its attributes, in
    order. In a statement its name behind a colon stands for the rows; the parameters are the `arguments`.
    """

    def __init__(self, connection: Connection, shape: str, rows: Sequence[tuple[Any, ...]]) -> None:
        self._connection, self._shape, self._rows = connection, shape, rows
        self._copied = False

    async def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """Run `query` on the rows."""
        if len(self._rows) <= FEW:
            along = _with_array(query, self._shape, len(arguments) + 1)
            return await self._connection.fetch(along, *arguments, self._rows)
        if not self._copied:
            await self._copy()
        return await self._connection.fetch(_with_table(query, self._shape), *arguments)

    async def _copy(self) -> None:
        await self._connection.execute(_make_room(self._shape))
        await self._connection.copy_records_to_table(_table(self._shape), records=self._rows)
        self._copied = True


def _table(shape: str) -> str:
    return f"shipped_{shape}"


@cache
def _with_array(query: str, shape: str, place: int) -> str:
    return query.replace(f":{shape}", f"unnest(${place}::{shape}[])")


@cache
def _with_table(query: str, shape: str) -> str:
    return query.replace(f":{shape}", _table(shape))


@cache
def _make_room(shape: str) -> str:
    return queries["make_room"].replace(":table", _table(shape)).replace(":shape", shape)
