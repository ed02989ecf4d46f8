"""Shipping: rows reach statements as they are, few or many, and are gone with their transaction."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from pydantic import SecretStr

from services.email_engagement.domain import Activity, MessageState
from services.runtime import shipping
from services.runtime.database import Connection, connect_pool
from services.runtime.settings import Settings
from services.runtime.shipping import FEW, Shipment

READ = "SELECT $1::text AS given, event_id::text, signal, day, n FROM :batch_signal AS batch ORDER BY n"
COUNT = "SELECT count(*) FROM :batch_signal AS batch"
SPONSOR, EVENT = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"


@pytest.fixture
async def session(database_url: str) -> AsyncIterator[Connection]:
    """A session of a service, with its rights and its ways of reading and writing values."""
    settings = Settings(kafka_bootstrap_servers="unused:9092", database_url=SecretStr(database_url))
    pool = await connect_pool(settings, "email_engagement", size=1)
    async with pool.acquire() as connection:
        yield connection
    pool.terminate()


@pytest.fixture(params=[FEW, 0], ids=["along with the statement", "by way of a table"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping, "FEW", request.param)


def signals(*numbers: int) -> list[tuple[Any, ...]]:
    return [(SPONSOR, None if n % 2 else EVENT, "näme\n\\", date(2026, 1, n), n) for n in numbers]


def as_read(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [("given", *row[1:]) for row in rows]


@pytest.mark.usefixtures("way")
async def test_rows_arrive_whole_for_each_statement_and_each_shipment_of_a_transaction(session: Connection) -> None:
    async with session.transaction():
        first = Shipment(session, "batch_signal", signals(1, 2, 3))
        for _ in range(2):
            assert [*map(tuple, await first.fetch(READ, "given"))] == as_read(signals(1, 2, 3))
        second = Shipment(session, "batch_signal", signals(4))
        assert [*map(tuple, await second.fetch(READ, "given"))] == as_read(signals(4))


@pytest.mark.usefixtures("way")
async def test_what_was_rolled_back_or_committed_leaves_no_row_behind(session: Connection) -> None:
    for _ in range(2):
        async with session.transaction():
            undone = session.transaction()
            await undone.start()
            await Shipment(session, "batch_signal", signals(1, 2)).fetch(COUNT)
            await undone.rollback()
            (row,) = await Shipment(session, "batch_signal", signals(3)).fetch(COUNT)
            assert row[0] == 1


@pytest.mark.usefixtures("way")
async def test_values_that_postgres_and_python_write_differently_come_out_as_they_went_in(session: Connection) -> None:
    earliest, latest = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)
    elsewhere = datetime(2026, 1, 1, 3, tzinfo=timezone(timedelta(hours=3)))
    state = MessageState("m", SPONSOR, b"\0\xff", sent_at=earliest, delivered_at=latest, opened_at=elsewhere)
    activity = Activity(EVENT, earliest, "m", "a", "1", "email_sent", None, SPONSOR, {"é": [1]}, {}, "s", True, None)
    async with session.transaction():
        (row,) = await Shipment(session, "email_messages", [state]).fetch("SELECT * FROM :email_messages")
        assert (*row,) == ("m", UUID(SPONSOR), *state[2:])
        (row,) = await Shipment(session, "batch_activity", [activity]).fetch("SELECT * FROM :batch_activity")
        assert (row["created_at"], row["input_data"], row["required_human_review"]) == (earliest, {"é": [1]}, True)


@pytest.mark.parametrize(("shape", "row"), [("email_messages", MessageState), ("batch_activity", Activity)])
async def test_a_shape_has_the_fields_of_its_rows_in_their_order(
    connection: Connection, shape: str, row: type[NamedTuple]
) -> None:
    attributes = await connection.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 ORDER BY attnum", shape
    )
    assert tuple(name for (name,) in attributes) == row._fields
