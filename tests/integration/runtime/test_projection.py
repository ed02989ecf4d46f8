"""Projection: whoever owns a shard computes all that is stale in it, and what fails is in nobody's way."""

import asyncpg
import pytest

from services.runtime import projection as module
from services.runtime.database import Connection
from tests.support.projections import VIEW, Scripted, keys_of, mark, marks, projection


async def parked(connection: Connection) -> dict[str, int]:
    rows = await connection.fetch("SELECT key::text, attempts FROM parked_keys")
    return {row[0]: row[1] for row in rows}


async def told(connection: Connection) -> list[str]:
    return [row[0] for row in await connection.fetch("SELECT aggregateid FROM outbox ORDER BY id")]


async def test_many_marks_on_one_key_are_one_computation(connection: Connection, database_url: str) -> None:
    key, other = keys_of(3, 2)
    view = Scripted()
    await mark(connection, key)
    await mark(connection, key)
    await mark(connection, key, other)
    async with projection(database_url, view) as it:
        assert await it.sweep() == 1

    assert (view.rounds, await marks(connection), await told(connection)) == ([[key, other]], [], [key, other])


async def test_marks_go_to_the_shards_of_their_keys_and_shards_with_few_share_a_round(
    connection: Connection, database_url: str
) -> None:
    view = Scripted()
    keys = {shard: keys_of(shard, 2) for shard in range(16)}
    for some in keys.values():
        await mark(connection, *some)
    async with projection(database_url, view) as it:
        assert not await it.take([99])
        assert await it.take([4]) and await it.take([7, 9])
        assert await it.sweep() == 1

    assert view.rounds[:2] == [keys[4], sorted(keys[7] + keys[9])]
    assert view.rounds[2] == sorted(key for shard, some in keys.items() if shard not in (4, 7, 9) for key in some)


async def test_a_backlog_is_taken_in_pieces_the_oldest_first(
    connection: Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many marks wait: all at once might take longer than a statement may, time after time."""
    monkeypatch.setattr(module, "BACKLOG_MARKS", 4)
    keys = [*keys_of(5, 5), *keys_of(6, 5)]
    view = Scripted()
    for key in keys:
        await mark(connection, key)
    async with projection(database_url, view) as it:
        while await it.sweep():
            pass

    assert [sorted(some) for some in view.rounds] == [sorted(keys[start : start + 4]) for start in (0, 4, 8)]


async def test_a_key_that_fails_is_parked_and_its_neighbours_are_computed(
    connection: Connection, database_url: str
) -> None:
    keys = keys_of(5, 9)
    view = Scripted(failing={keys[4]})
    await mark(connection, *keys)
    async with projection(database_url, view) as it:
        await it.sweep()

    others = [key for key in keys if key != keys[4]]
    assert (view.computed(), await told(connection)) == (others, others)
    assert (await parked(connection), await marks(connection)) == ({keys[4]: 1}, [])
    (row,) = await connection.fetch("SELECT error, retry_at > now() AS later FROM parked_keys")
    assert tuple(row) == ("ZeroDivisionError", True)


async def test_a_parked_key_waits_its_time_whatever_marks_it_and_is_computed_once_that_has_come(
    connection: Connection, database_url: str
) -> None:
    bad, good = keys_of(5, 2)
    view = Scripted(failing={bad})
    async with projection(database_url, view) as it:
        await mark(connection, bad)
        await it.sweep()
        before = len(view.rounds)

        await mark(connection, bad, good)
        await it.sweep()
        assert (view.rounds[before:], await marks(connection)) == ([[good]], [])

        await connection.execute("UPDATE parked_keys SET retry_at = now()")
        await it.sweep()
        assert await parked(connection) == {bad: 2}

        view.failing.clear()
        await it.sweep()
        assert await parked(connection) == {bad: 2}
        await connection.execute("UPDATE parked_keys SET retry_at = now()")
        await it.sweep()

    assert (await parked(connection), view.rounds[-1]) == ({}, [bad])


async def test_each_failure_of_a_key_makes_it_wait_longer_up_to_an_hour(
    connection: Connection, database_url: str
) -> None:
    (bad,) = keys_of(0, 1)
    view, waits = Scripted(failing={bad}), []
    await mark(connection, bad)
    async with projection(database_url, view) as it:
        for _ in range(12):
            await it.sweep()
            waits.append(await connection.fetchval("SELECT extract(epoch FROM retry_at - now()) FROM parked_keys"))
            await connection.execute("UPDATE parked_keys SET retry_at = now()")

    assert [round(float(wait), -1) for wait in waits[:4]] == [10, 20, 40, 80]
    assert round(float(waits[-1]), -2) == 3600


@pytest.mark.parametrize(
    "error", [asyncpg.DeadlockDetectedError("x"), asyncpg.UndefinedColumnError("x"), ConnectionResetError()], ids=repr
)
async def test_what_is_no_keys_fault_parks_none_and_leaves_its_marks(
    connection: Connection, database_url: str, error: Exception
) -> None:
    keys = keys_of(5, 3)
    await mark(connection, *keys)
    async with projection(database_url, Scripted(failing={keys[0]}, error=error)) as it:
        with pytest.raises(type(error)):
            await it.sweep()

    assert (await parked(connection), await marks(connection)) == ({}, keys)


async def test_the_days_turn_waits_for_what_is_live_and_is_taken_so_many_at_a_time(
    connection: Connection, database_url: str
) -> None:
    """The limit holds: a plan that looks for it row by row would take more."""
    live, *background = keys_of(7, 26)
    for key in background:
        await connection.execute(
            "INSERT INTO stale_marks (projection, shard, priority, kind, key) VALUES ($1, 7, 1, 'proposal', $2)",
            VIEW,
            key,
        )
    await mark(connection, live)
    await connection.execute("ANALYZE stale_marks")
    view = Scripted()
    async with projection(database_url, view, background_keys=10) as it:
        assert [await it.sweep() for _ in range(5)] == [1, 1, 1, 1, 0]

    assert [len(keys) for keys in view.rounds] == [2, 10, 10, 4]
    assert live in view.rounds[0]  # with one of the day's turn: what lives must not hold that up for ever
