"""A bug on one record costs that record; a bug on all of them, or poison without end, stops the partition."""

from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from contracts.topics import SPONSOR_ACTIVITY
from services.runtime.database import Connection
from services.runtime.intake import Intake, LimitReached
from services.sponsor_activity.app import SponsorActivity
from tests.support.crm import add_sponsor
from tests.support.intakes import Choking, bench, stored
from tests.support.records import batch, event

pytestmark = pytest.mark.proves(14, 15)


@pytest.fixture
async def sponsor(connection: Connection) -> str:
    return await add_sponsor(connection)


def notes(sponsor: str, ids: str, bugs: str = "") -> list[bytes]:
    """One note for each letter of `ids`; those in `bugs` are what the handler chokes on, `-` is no JSON."""
    return [b"-" if id == "-" else _note(sponsor, id, {"bug": True} if id in bugs else {}) for id in ids]


def _note(sponsor: str, id: str, metadata: dict[str, Any]) -> bytes:
    return event(SPONSOR_ACTIVITY, "note_added", id=id, sponsor_id=sponsor, metadata=metadata)


async def dead(connection: Connection) -> list[tuple[int, int, str]]:
    rows = await connection.fetch("SELECT partition, record_offset, reason FROM dead_letters ORDER BY 1, 2")
    return [(row[0], row[1], row[2]) for row in rows]


async def stopped(connection: Connection) -> dict[int, str]:
    rows = await connection.fetch(
        "SELECT partition, stopped_reason FROM stream_offsets"
        " WHERE stopped_reason IS NOT NULL AND stopped_at IS NOT NULL"
    )
    return {row[0]: row[1] for row in rows}


async def test_the_one_record_that_a_handler_chokes_on_is_found_and_its_neighbours_are_applied(
    connection: Connection, database_url: str, sponsor: str
) -> None:
    async with bench(database_url, Choking()) as it:
        assert await it.process(batch(0, 0, *notes(sponsor, "abcdefghij", "g"))) == set()

        assert await stored(connection) == {0: (10, 9, 0, 1)}
        assert it.exposed()[0] == (10, 9, 0, 1)
    assert await dead(connection) == [(0, 6, "handler_error")]
    (letter,) = await connection.fetch("SELECT * FROM dead_letters")
    assert (letter["source"], letter["event_identity"], letter["type"]) == (
        "/test",
        "g",
        "eventos.sponsor.note_added.v1",
    )
    assert "ZeroDivisionError" in letter["detail"]
    assert await connection.fetchval("SELECT count(*) FROM processed_events WHERE id = 'g'") == 0


async def test_a_requeued_record_is_applied_once_its_bug_is_mended(
    connection: Connection, database_url: str, sponsor: str
) -> None:
    (value,) = notes(sponsor, "a", "a")
    async with bench(database_url, Choking()) as it:
        await it.process(batch(0, 0, value))
        it.intake._handler = SponsorActivity()
        await it.process(batch(0, 1, value))

    assert await stored(connection) == {0: (2, 1, 0, 1)}
    assert await connection.fetchval("SELECT status FROM dead_letters") == "resolved"


async def test_the_parts_of_a_halved_batch_commit_in_order_each_a_prefix_of_its_partitions(
    connection: Connection, database_url: str, sponsor: str
) -> None:
    """Merged partitions, given in the wrong order: after every commit the position says what was applied."""
    handler = Choking()
    async with bench(database_url, handler) as it:
        await it.process(
            batch(2, 0, *notes(sponsor, "klmn", "n")),
            batch(0, 0, *notes(sponsor, "abcd", "b")),
            batch(1, 0, *notes(sponsor, "efgh")),
        )

        assert await stored(connection) == {0: (4, 3, 0, 1), 1: (4, 4, 0, 0), 2: (4, 3, 0, 1)}
    assert handler.seen[0] == list("abcdefghklmn")
    applied = [ids for ids in handler.seen if not {"b", "n"} & set(ids)]
    assert "".join(map("".join, applied)) == "acdefghklm"
    assert await dead(connection) == [(0, 1, "handler_error"), (2, 3, "handler_error")]


async def test_a_bug_on_every_record_stops_the_partition_and_dead_letters_no_further(
    connection: Connection, database_url: str, sponsor: str
) -> None:
    async with bench(database_url, Choking(), handler_errors_in_row_limit=3) as it:
        bugs = batch(1, 0, *notes(sponsor, "abcdefgh", "abcdefgh"))
        assert await it.process(bugs, batch(2, 0, *notes(sponsor, "xyz"))) == {1}

        assert await stored(connection) == {1: (3, 0, 0, 3), 2: (3, 3, 0, 0)}
        assert list(await stopped(connection)) == [1]
        assert "ZeroDivisionError" in (await stopped(connection))[1]

        assert await it.process(batch(1, 3, *notes(sponsor, "defgh"))) == {1}
        assert await stored(connection) == {1: (3, 0, 0, 3), 2: (3, 3, 0, 0)}

        await connection.execute("UPDATE stream_offsets SET stopped_reason = NULL")
        it.intake._handler = SponsorActivity()
        assert await it.process(batch(1, 3, *notes(sponsor, "defgh", "defgh"))) == set()
        assert await stored(connection) == {1: (8, 5, 0, 3), 2: (3, 3, 0, 0)}


async def test_a_partition_that_was_resumed_has_all_its_handler_errors_before_it_again(
    connection: Connection, database_url: str, sponsor: str
) -> None:
    async with bench(database_url, Choking(), handler_errors_in_row_limit=2) as it:
        assert await it.process(batch(0, 0, *notes(sponsor, "abc", "abc"))) == {0}
        await connection.execute("UPDATE stream_offsets SET stopped_reason = NULL")
        assert await it.process(batch(0, 2, *notes(sponsor, "cde", "c"))) == set()

    assert await stored(connection) == {0: (5, 2, 0, 3)}


async def test_a_record_that_is_applied_begins_the_count_of_handler_errors_anew(
    connection: Connection, database_url: str, sponsor: str
) -> None:
    async with bench(database_url, Choking(), handler_errors_in_row_limit=2) as it:
        assert await it.process(batch(0, 0, *notes(sponsor, "abcdefg", "abdeg"))) == set()

    assert await stored(connection) == {0: (7, 2, 0, 5)}


async def test_refusals_in_a_row_stop_the_partition_at_the_very_record_and_others_go_on(
    connection: Connection, database_url: str, sponsor: str
) -> None:
    async with bench(database_url, Choking(), refused_in_row_limit=3) as it:
        poison = batch(1, 0, *notes(sponsor, "--a----b"))
        assert await it.process(batch(0, 0, *notes(sponsor, "--")), poison, batch(2, 0, *notes(sponsor, "-xy"))) == {1}

        assert await stored(connection) == {0: (2, 0, 0, 2), 1: (6, 1, 0, 5), 2: (3, 2, 0, 1)}
        assert await stopped(connection) == {1: "3 records in a row were refused"}
        paused = {"service": "sponsor_activity", "topic": "eventos.sponsor-activity", "partition": "1"}
        assert it.metrics.registry.get_sample_value("eventos_partition_paused", paused) == 1

        # What waited in the lane changes nothing, and holds nobody up.
        assert await it.process(batch(0, 2, *notes(sponsor, "z-")), batch(1, 8, *notes(sponsor, "c"))) == {1}
        assert await stored(connection) == {0: (4, 1, 0, 3), 1: (6, 1, 0, 5), 2: (3, 2, 0, 1)}


async def test_refusals_in_a_row_are_counted_across_batches(
    connection: Connection, database_url: str, sponsor: str
) -> None:
    async with bench(database_url, Choking(), refused_in_row_limit=4) as it:
        for follows, ids in ((0, "a--"), (3, "-")):
            assert await it.process(batch(0, follows, *notes(sponsor, ids))) == set()
        assert await it.process(batch(0, 4, *notes(sponsor, "---"))) == {0}

    assert await stored(connection) == {0: (5, 1, 0, 4)}


async def test_a_limit_reached_in_one_half_of_a_halved_batch_leaves_the_other_partitions_alone(
    connection: Connection, database_url: str, sponsor: str
) -> None:
    async with bench(database_url, Choking(), refused_in_row_limit=2) as it:
        merged = batch(0, 0, *notes(sponsor, "a---bc")), batch(1, 0, *notes(sponsor, "defg", "e"))
        assert await it.process(*merged) == {0}

    assert await stored(connection) == {0: (3, 1, 0, 2), 1: (4, 3, 0, 1)}


async def test_what_is_behind_a_limit_that_was_not_reached_after_all_is_settled_too(
    connection: Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch is cut at its second refusal; before what is left commits, the sponsor comes that both had missed."""
    late, commit = str(uuid4()), Intake._commit

    async def then_the_sponsor_comes(self: Intake, *arguments: Any) -> set[int]:
        try:
            return await commit(self, *arguments)
        except LimitReached:
            await add_sponsor(connection, late)
            raise

    monkeypatch.setattr(Intake, "_commit", then_the_sponsor_comes)
    async with bench(database_url, Choking(), refused_in_row_limit=2) as it:
        merged = batch(0, 0, *notes(late, "abcd")), batch(1, 0, *notes(late, "e-"))
        assert await it.process(*merged) == set()

    assert await stored(connection) == {0: (4, 4, 0, 0), 1: (2, 1, 0, 1)}


async def test_wrong_sql_and_missing_rights_are_no_records_fault_and_end_the_work(
    connection: Connection, database_url: str, sponsor: str
) -> None:
    await connection.execute("REVOKE INSERT ON sponsor_activities FROM eventos_sponsor_activity")
    async with bench(database_url, Choking()) as it:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await it.process(batch(0, 0, *notes(sponsor, "ab")))

    assert (await stored(connection), await dead(connection)) == ({}, [])
