"""Faults of the database that pass: waited out, however often, and never at a record's cost."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from contracts.envelope import Event
from contracts.topics import SPONSOR_ACTIVITY, TICKET_SALES
from services.runtime.database import Connection, Pool
from services.runtime.effects import Effects
from services.runtime.intake import RECHECKS
from services.sponsor_activity.app import SponsorActivity
from services.ticket_sales.app import TicketSales
from tests.support.crm import add_event, add_sponsor
from tests.support.databases import connect
from tests.support.intakes import Held, bench, stored
from tests.support.interleaving import DEADLINE, terminate, until_blocked
from tests.support.records import batch, event

APPLICATION = "eventos-sponsor_activity"
RETRIES = "eventos_database_retries_total"
Trouble = Callable[[Connection, Sequence[Event[Any]]], Awaitable[object]]


class Troubled(SponsorActivity):
    """The real handler, in whose transactions something happens, the first few times."""

    def __init__(self, trouble: Trouble, times: int = 1) -> None:
        self._trouble, self._times = trouble, times
        self.sizes: list[int] = []

    async def apply(self, connection: Connection, events: Sequence[Event[Any]], shard: int) -> Effects:
        """Apply, then let it happen."""
        self.sizes.append(len(events))
        effects = await super().apply(connection, events, shard)
        if len(self.sizes) <= self._times:
            await self._trouble(connection, events)
        return effects


@pytest.fixture
async def sponsor(connection: Connection) -> str:
    return await add_sponsor(connection)


def visits(sponsor: str, count: int = 4) -> list[bytes]:
    return [event(SPONSOR_ACTIVITY, "website_visited", sponsor_id=sponsor) for _ in range(count)]


def raising(state: str) -> Trouble:
    """Let Postgres itself raise `state`."""
    script = f"DO $$ BEGIN RAISE EXCEPTION 'scripted' USING ERRCODE = '{state}'; END $$"
    return lambda connection, _: connection.execute(script)


async def assert_whole(connection: Connection, records: int = 4) -> None:
    """Every record was applied, once, and none was dead-lettered."""
    assert await stored(connection) == {0: (records, records, 0, 0)}
    assert await connection.fetchval("SELECT count(*) FROM sponsor_activities") == records
    assert await connection.fetchval("SELECT sum(n) FROM lead_signals") == records
    assert await connection.fetchval("SELECT count(*) FROM dead_letters") == 0


@pytest.mark.proves(7)
@pytest.mark.parametrize("state", ["40001", "40P01", "55P03", "53300", "57P01", "08006", "25006", "58030"])
async def test_a_fault_that_passes_is_waited_out(
    connection: Connection, database_url: str, sponsor: str, state: str
) -> None:
    handler = Troubled(raising(state), times=3)
    async with bench(database_url, handler) as it:
        assert await it.process(batch(0, 0, *visits(sponsor))) == set()
        (sample, *_) = next(iter(it.metrics.database_retries.collect())).samples

    await assert_whole(connection)
    assert (handler.sizes, sample.value) == ([4, 4, 4, 4], 3)


@pytest.mark.proves(7)
async def test_one_of_two_that_really_deadlock_is_undone_and_tries_again(
    connection: Connection, database_url: str, sponsor: str
) -> None:
    """A stranger locks the sponsor, the batch its position; each then wants what the other has."""
    other = await connect(database_url)
    stranger = other.transaction()

    async def cross(_: Connection, __: object) -> None:
        await other.execute("SET LOCAL deadlock_timeout = '1h'")
        crossing = asyncio.create_task(other.execute("SELECT FROM stream_offsets FOR UPDATE"))
        try:
            await mine(_)
        finally:
            await crossing
            await stranger.rollback()

    async def mine(service: Connection) -> None:
        pid = other.get_server_pid()
        async with asyncio.timeout(20):
            while not await connection.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", pid):
                pass
        await service.execute("UPDATE stream_offsets SET updated_at = now() WHERE topic = 'other'")

    await connection.execute("INSERT INTO stream_offsets VALUES ('other', 'other', 0, 0)")
    await stranger.start()
    await other.execute("UPDATE stream_offsets SET updated_at = now() WHERE topic = 'other'")
    handler = Troubled(cross)
    async with bench(database_url, handler) as it:
        await it.process(batch(0, 0, *visits(sponsor)))
        assert it.count(RETRIES, kind="DeadlockDetectedError") == 1
    await other.close()
    await assert_whole(connection)


@pytest.mark.proves(4, 7)
async def test_a_lock_that_is_not_had_in_time_is_waited_for_again(
    connection: Connection, database_url: str, sponsor: str
) -> None:
    async with bench(database_url, SponsorActivity()) as it:
        await it.pool.execute("SELECT set_config('lock_timeout', '50ms', false)")
        async with connection.transaction():
            await connection.execute("SELECT FROM stream_offsets FOR UPDATE")
            working = asyncio.create_task(it.process(batch(0, 0, *visits(sponsor))))
            await until_blocked(connection, APPLICATION, working)
        await working

    await assert_whole(connection)


@pytest.mark.proves(2, 7)
async def test_a_backend_that_is_ended_in_the_middle_of_a_batch_costs_nothing(
    connection: Connection, database_url: str, sponsor: str
) -> None:
    async with bench(database_url, Troubled(lambda _, __: terminate(connection, APPLICATION), times=2)) as it:
        await it.process(batch(0, 0, *visits(sponsor)))

    await assert_whole(connection)


@pytest.mark.proves(2)
@pytest.mark.parametrize("point", ["before", "during", "after"])
async def test_a_connection_that_is_cut_around_the_commit_applies_the_batch_once(
    connection: Connection, database_url: str, sponsor: str, point: str
) -> None:
    """A deferred trigger makes the commit wait; the backend is ended before, in it, or with the answer on its way."""
    other = await connect(database_url)
    await connection.execute(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS"
        " $$ BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN NULL; END $$;"
        "CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON sponsor_activities DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION wait()"
    )
    await other.execute("SELECT pg_advisory_lock(7)")
    held = Held()
    async with bench(database_url, held) as it:
        working = asyncio.create_task(it.process(batch(0, 0, *visits(sponsor))))
        await held.reached.wait()
        if point == "before":
            await terminate(connection, APPLICATION)
        held.go.set()
        if point != "before":
            await until_blocked(connection, APPLICATION, working)
        if point == "during":
            await terminate(connection, APPLICATION)
        await other.execute("SELECT pg_advisory_unlock(7)")
        await working
        if point == "after":
            await it.process(batch(0, 0, *visits(sponsor)))
        assert it.exposed()[0] == (4, 4, 0, 0)
    await other.close()
    await assert_whole(connection)


@pytest.mark.proves(2)
async def test_a_commit_whose_answer_is_lost_is_looked_at_and_not_applied_again(
    connection: Connection, database_url: str, sponsor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction is committed; its client hears of a broken connection instead, and finds itself past it."""
    handler = SponsorActivity()
    async with bench(database_url, handler) as it:
        commit = it.intake._commit
        answers = [ConnectionResetError()]

        async def unheard(*arguments: Any) -> set[int]:
            settled = await commit(*arguments)
            if answers:
                raise answers.pop()
            return settled

        monkeypatch.setattr(it.intake, "_commit", unheard)
        assert await it.process(batch(0, 0, *visits(sponsor), b"{")) == set()
        assert it.exposed()[0] == (5, 4, 0, 1)
        assert it.count("eventos_fenced_batches_total") == 1

    assert await connection.fetchval("SELECT count(*) FROM dead_letters") == 1
    assert await connection.fetchval("SELECT count(*) FROM outbox") == 1


@pytest.mark.proves(7)
async def test_what_takes_too_long_is_split_until_it_fits_and_nothing_is_dead_lettered(
    connection: Connection, database_url: str, sponsor: str
) -> None:
    async def slow(service: Connection, events: Sequence[Event[Any]]) -> None:
        if len(events) > 2:
            await service.execute("SET LOCAL statement_timeout = '20ms'; SELECT pg_sleep(60)")

    handler = Troubled(slow, times=100)
    async with bench(database_url, handler) as it:
        await it.process(batch(0, 0, *visits(sponsor, 7)))

    assert handler.sizes == [7, 3, 1, 2, 4, 2, 2]
    await assert_whole(connection, 7)


async def test_a_single_record_that_takes_too_long_is_tried_until_it_does_not(
    connection: Connection, database_url: str, sponsor: str
) -> None:
    handler = Troubled(raising("57014"), times=3)
    async with bench(database_url, handler) as it:
        await it.process(batch(0, 0, *visits(sponsor, 1)))

    assert handler.sizes == [1, 1, 1, 1]
    await assert_whole(connection, 1)


@pytest.mark.proves(28)
async def test_a_reference_that_fails_is_looked_at_again(
    connection: Connection, database_url: str, sponsor: str
) -> None:
    handler = Troubled(raising("23503"), times=RECHECKS)
    async with bench(database_url, handler) as it:
        await it.process(batch(0, 0, *visits(sponsor)))
        assert it.count(RETRIES, kind="ForeignKeyViolationError") == RECHECKS

    await assert_whole(connection)


async def test_a_reference_that_keeps_failing_is_in_the_end_its_handlers_fault(
    connection: Connection, database_url: str, sponsor: str
) -> None:
    handler = Troubled(raising("23503"), times=RECHECKS + 1)
    async with bench(database_url, handler) as it:
        await it.process(batch(0, 0, *visits(sponsor, 1)))

    assert await stored(connection) == {0: (1, 0, 0, 1)}


@pytest.mark.proves(28)
async def test_a_row_that_is_referred_to_cannot_be_deleted_before_the_batch_commits(
    connection: Connection, database_url: str
) -> None:
    """Ticketing facts have no foreign key: it is the look at the references that keeps the row."""
    event_id = await add_event(connection)
    viewed = [event(TICKET_SALES, "page_viewed", event_id=event_id, session_id="s") for _ in range(2)]
    other, deletions = await connect(database_url), list[asyncio.Task[str]]()

    class Deleting(TicketSales):
        async def apply(self, service: Connection, events: Sequence[Event[Any]], shard: int) -> Effects:
            deletions.append(asyncio.create_task(other.execute("DELETE FROM events")))
            pid = other.get_server_pid()
            async with asyncio.timeout(DEADLINE):
                while not await connection.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", pid):
                    assert not deletions[0].done()
            return await super().apply(service, events, shard)

    async with bench(database_url, Deleting(), service="ticket_sales", topic=TICKET_SALES) as it:
        await it.process(batch(0, 0, viewed[0], topic=TICKET_SALES))
        assert await deletions[0] == "DELETE 1"
        await it.process(batch(0, 1, viewed[1], topic=TICKET_SALES))
    await other.close()

    assert await stored(connection, "ticket_sales") == {0: (2, 1, 0, 1)}


@pytest.mark.proves(7)
async def test_a_pool_without_a_free_connection_is_waited_for(
    connection: Connection, database_url: str, sponsor: str
) -> None:
    async with bench(database_url, SponsorActivity(), database_pool_size=1) as it:
        pool: Pool = it.pool
        async with pool.acquire():
            working = asyncio.create_task(it.process(batch(0, 0, *visits(sponsor))))
            await asyncio.sleep(0)
            assert not working.done()
        await working

    await assert_whole(connection)
