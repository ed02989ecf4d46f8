"""The fence: what is past is dropped, what is missing is refused, and counts agree wherever they are read."""

import asyncio

import pytest

from contracts.topics import SPONSOR_ACTIVITY
from services.runtime.database import Connection
from services.runtime.intake import SkippedRecordsError
from services.runtime.records import RecordBatch
from services.sponsor_activity.app import SponsorActivity
from tests.support.crm import add_event, add_sponsor
from tests.support.intakes import Choking, Held, bench, stored
from tests.support.interleaving import until_blocked
from tests.support.records import batch, event

pytestmark = pytest.mark.proves(3, 28)


def visits(sponsor: str, count: int) -> list[bytes]:
    return [event(SPONSOR_ACTIVITY, "website_visited", sponsor_id=sponsor) for _ in range(count)]


async def activities(connection: Connection) -> int:
    count: int = await connection.fetchval("SELECT count(*) FROM sponsor_activities")
    return count


async def test_a_batch_that_comes_late_is_dropped_and_counted(connection: Connection, database_url: str) -> None:
    sponsor = await add_sponsor(connection)
    async with bench(database_url, SponsorActivity()) as it:
        late = batch(0, 0, *visits(sponsor, 3))
        await it.process(late)
        await it.process(late)

        assert it.exposed() == {0: (3, 3, 0, 0)}
        assert await stored(connection) == {0: (3, 3, 0, 0)}
        assert await activities(connection) == 3
        assert it.count("eventos_fenced_batches_total") == 1


async def test_of_a_batch_that_is_half_late_the_other_half_is_settled(
    connection: Connection, database_url: str
) -> None:
    values = visits(await add_sponsor(connection), 5)
    async with bench(database_url, SponsorActivity()) as it:
        await it.process(batch(0, 0, *values[:3]))
        await it.process(batch(0, 0, *values))

        assert await stored(connection) == {0: (5, 5, 0, 0)}
        assert it.count("eventos_fenced_batches_total") == 1


async def test_a_batch_whose_predecessor_was_skipped_is_refused_before_anything_is_written(
    connection: Connection, database_url: str
) -> None:
    sponsor = await add_sponsor(connection)
    handler = Choking()
    async with bench(database_url, handler) as it:
        with pytest.raises(SkippedRecordsError, match=r"sponsor-activity-1.*offset 2"):
            await it.process(batch(0, 0, *visits(sponsor, 1)), batch(1, 2, *visits(sponsor, 1)))

    assert (handler.seen, await stored(connection), await activities(connection)) == ([], {}, 0)


async def test_a_partition_that_was_never_claimed_is_refused(connection: Connection, database_url: str) -> None:
    sponsor = await add_sponsor(connection)
    async with bench(database_url, SponsorActivity()) as it:
        with pytest.raises(SkippedRecordsError, match="absent"):
            await it.process(batch(11, 0, *visits(sponsor, 1)))


async def test_a_batch_missing_between_two_that_are_merged_is_noticed(
    connection: Connection, database_url: str
) -> None:
    values = visits(await add_sponsor(connection), 9)
    async with bench(database_url, SponsorActivity()) as it:
        with pytest.raises(SkippedRecordsError, match="offset 6"):
            await it.process(batch(0, 0, *values[:3]), batch(0, 6, *values[6:]))

    assert (await stored(connection), await activities(connection)) == ({}, 0)


@pytest.mark.parametrize("turned", [False, True])
async def test_records_that_were_read_twice_count_once_also_in_one_merged_batch(
    connection: Connection, database_url: str, turned: bool
) -> None:
    sponsor = await add_sponsor(connection)
    values = [*visits(sponsor, 5), b"no JSON"]
    read = [batch(0, 0, *values), batch(0, 0, *values[:2]), batch(0, 2, *values[2:])]
    async with bench(database_url, SponsorActivity()) as it:
        await it.process(*(reversed(read) if turned else read))

        assert await stored(connection) == {0: (6, 5, 0, 1)}


async def test_offsets_that_a_transactions_marker_took_are_no_gap(connection: Connection, database_url: str) -> None:
    values = visits(await add_sponsor(connection), 2)
    first, later = batch(0, 0, values[0]), batch(0, 3, values[1])
    async with bench(database_url, SponsorActivity()) as it:
        await it.process(first, RecordBatch(0, later.records, follows=1))

        assert await stored(connection) == {0: (4, 2, 0, 0)}


async def test_of_two_owners_of_a_partition_the_second_finds_it_settled(
    connection: Connection, database_url: str
) -> None:
    """The first is frozen in its transaction; the other waits at the fence, then sees that all is past."""
    values = visits(await add_sponsor(connection), 3)
    held = Held()
    async with bench(database_url, held) as first, bench(database_url, SponsorActivity()) as second:
        frozen = asyncio.create_task(first.process(batch(0, 0, *values)))
        await held.reached.wait()
        late = asyncio.create_task(second.process(batch(0, 0, *values)))
        await until_blocked(connection, "eventos-sponsor_activity", late)
        held.go.set()
        await asyncio.gather(frozen, late)

        assert await stored(connection) == {0: (3, 3, 0, 0)}
        assert second.count("eventos_fenced_batches_total") == 1
        assert second.exposed()[0] == first.exposed()[0] == (3, 3, 0, 0)


async def test_every_record_ends_as_exactly_one_outcome_and_all_counts_agree(
    connection: Connection, database_url: str
) -> None:
    sponsor, event_id = await add_sponsor(connection), await add_event(connection)
    one = event(SPONSOR_ACTIVITY, "meeting_held", id="one", sponsor_id=sponsor, event_id=event_id)
    other = event(SPONSOR_ACTIVITY, "meeting_held", id="one", sponsor_id=sponsor)
    bug = event(SPONSOR_ACTIVITY, "note_added", sponsor_id=sponsor, metadata={"bug": 1})
    stranger = event(SPONSOR_ACTIVITY, "note_added", sponsor_id=event_id)
    async with bench(database_url, Choking()) as it:
        await it.process(batch(0, 0, one, b"{", None, *visits(sponsor, 3)), batch(2, 0, one, other, bug))
        await it.process(batch(0, 6, stranger), batch(3, 0, b"x" * 65_537, one))

        expected = {0: (7, 4, 0, 3), 2: (3, 0, 1, 2), 3: (2, 0, 1, 1)}
        assert await stored(connection) == expected
        assert {p: o for p, o in it.exposed().items() if o[0]} == expected
        for consumed, applied, duplicate, dead_lettered in expected.values():
            assert consumed == applied + duplicate + dead_lettered
        letters = await connection.fetch("SELECT partition, count(*) FROM dead_letters GROUP BY 1")
        assert {row[0]: row[1] for row in letters} == {p: o[3] for p, o in expected.items()}
        assert await connection.fetchval("SELECT count(*) FROM processed_events") == 4
        assert await activities(connection) == 4
        reasons = ("handler_error", "not_json", "oversized", "unknown_sponsor", "event_id_conflict")
        counted = {reason: it.count("eventos_dead_letters_total", reason=reason) for reason in reasons}
        assert counted == dict(zip(reasons, (1, 2, 1, 1, 1), strict=True))
