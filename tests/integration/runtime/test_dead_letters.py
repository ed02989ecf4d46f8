"""Dead letters: whole, forwarded once, closed when their identity is applied, taken up when what they miss comes."""

from base64 import b64encode
from datetime import timedelta
from typing import Any

import orjson
import pytest
from asyncpg import InsufficientPrivilegeError

from contracts.topics import SPONSOR_ACTIVITY
from services.runtime.database import Connection
from services.runtime.dead_letters import expire
from services.runtime.health import Pulse
from services.runtime.records import RecordBatch
from services.runtime.service import Tools, _expire, _redrive
from services.sponsor_activity.app import SponsorActivity
from tests.support.crm import add_event, add_sponsor
from tests.support.intakes import Bench, bench, stored
from tests.support.records import APPENDED, batch, event, record

pytestmark = pytest.mark.proves(28)

UNKNOWN = "00000000-0000-4000-8000-00000000000a"


def note(sponsor: str, id: str = "one", **data: Any) -> bytes:
    return event(SPONSOR_ACTIVITY, "note_added", id=id, sponsor_id=sponsor, **data)


async def letters(connection: Connection) -> list[tuple[int, str, str]]:
    rows = await connection.fetch("SELECT record_offset, reason, status FROM dead_letters ORDER BY partition, 1")
    return [(row[0], row[1], row[2]) for row in rows]


async def outbox(connection: Connection, topic: str = "dead-letters") -> list[Any]:
    return list(await connection.fetch("SELECT * FROM outbox WHERE aggregatetype = $1 ORDER BY id", topic))


async def test_a_letter_is_the_record_as_it_was_with_what_was_wrong(connection: Connection, database_url: str) -> None:
    headers = [("a", b"\xff\x00"), ("a", None), ("", b""), ("é", "é".encode())]
    value = event(SPONSOR_ACTIVITY, "website_visited", id="7", source="/web", sponsor_id="Paris")
    refused = record(value, partition=3, offset=0, key=b"\x00\xfe", headers=headers)
    async with bench(database_url, SponsorActivity()) as it:
        await it.process(RecordBatch(3, [refused], 0))

    (row,) = await connection.fetch("SELECT * FROM dead_letters")
    kept = [["a", b64encode(b"\xff\x00").decode()], ["a", None], ["", ""], ["é", b64encode("é".encode()).decode()]]
    assert (row["service"], row["topic"], row["partition"], row["record_offset"]) == (
        "sponsor_activity", "sponsor-activity", 3, 0,
    )  # fmt: skip
    assert (row["key"], row["value"], row["appended_at"]) == (b"\x00\xfe", value, APPENDED)
    assert await connection.fetchval("SELECT headers = $1::text::jsonb FROM dead_letters", orjson.dumps(kept).decode())
    assert (row["reason"], row["source"], row["event_identity"]) == ("invalid_data", "/web", "7")
    assert row["type"] == "eventos.sponsor.website_visited.v1"
    assert row["detail"].startswith("data.sponsor_id") and "Paris" not in row["detail"]
    assert (row["status"], row["attempts"], row["missing_id"]) == ("pending", 0, None)


async def test_a_letter_goes_to_its_topic_as_the_record_was_with_what_was_wrong_in_headers(
    connection: Connection, database_url: str
) -> None:
    async with bench(database_url, SponsorActivity()) as it:
        refused = [
            record(b"\xff", partition=1, offset=0, key=b"\x00k\xff", headers=[("a", b"b")]),
            record(None, partition=1, offset=1, key=None),
        ]
        await it.process(RecordBatch(1, refused, 0))

    one, other = await outbox(connection)
    assert (one["record_key"], one["payload"], one["aggregateid"], one["source"]) == (b"\x00k\xff", b"\xff", "k�", None)
    assert (other["record_key"], other["payload"], other["aggregateid"]) == (None, None, "")
    names = await connection.fetchval(
        "SELECT array_agg(header ->> 0) FROM outbox, jsonb_array_elements(headers) AS header WHERE id = $1", one["id"]
    )
    assert names == ["a", *(f"eventos-{n}" for n in ("reason", "detail", "topic", "partition", "offset"))]


async def test_what_a_text_of_postgres_cannot_hold_hinders_no_letter(
    connection: Connection,
    database_url: str,
) -> None:
    """U+0000 in the identity, in binary mode's headers, and in the name of a header; a value of any size."""
    nul = note(UNKNOWN).replace(b'"/test"', b'"/te\\u0000st"')
    headers = [("ce_specversion", b"1.0"), ("ce_source", b"/a\x00b"), ("ce_id", b"1"), ("na\x00me", b"x")]
    records = [
        record(nul, offset=0),
        record(b"{}", offset=1, headers=headers),
        record(b"[]", offset=2, headers=[("na\x00me", b"x")]),
        record(b"9" * 900_000, offset=3),
        record(note(await add_sponsor(connection)), offset=4, headers=[("na\x00me", b"x")]),
    ]
    async with bench(database_url, SponsorActivity()) as it:
        assert await it.process(RecordBatch(0, records, 0)) == set()

    reasons = ["not_json", "invalid_envelope", "invalid_envelope", "oversized"]
    assert [reason for _, reason, _ in await letters(connection)] == reasons
    assert await stored(connection) == {0: (5, 1, 0, 4)}
    assert len(await outbox(connection)) == 4


async def test_a_record_that_is_read_again_by_a_replay_leaves_its_letter_and_is_not_forwarded_again(
    connection: Connection, database_url: str
) -> None:
    values = [b"{", note(UNKNOWN)]
    async with (
        bench(database_url, SponsorActivity()) as live,
        bench(database_url, SponsorActivity(), consumer="replay:1") as replay,
    ):
        await live.process(batch(0, 0, *values))
        before = await connection.fetch("SELECT * FROM dead_letters ORDER BY id")
        await replay.process(batch(0, 0, *values))

    assert await connection.fetch("SELECT * FROM dead_letters ORDER BY id") == before
    assert len(await outbox(connection)) == 2
    assert await stored(connection, "replay:1") == {0: (2, 0, 0, 2)}


async def test_offsets_of_a_topic_made_anew_make_letters_of_their_own(
    connection: Connection, database_url: str
) -> None:
    async with bench(database_url, SponsorActivity()) as it:
        await it.process(batch(0, 0, b"{"))
        await connection.execute("UPDATE stream_offsets SET next_offset = 0")
        (again,) = batch(0, 0, b"{").records
        again.timestamp += int(timedelta(days=1).total_seconds() * 1000)
        await it.process(RecordBatch(0, [again], 0))

    assert (len(await letters(connection)), len(await outbox(connection))) == (2, 2)


async def test_letters_are_resolved_when_their_identity_is_applied_in_the_same_batch_or_a_later_one(
    connection: Connection, database_url: str
) -> None:
    sponsor = await add_sponsor(connection)
    async with bench(database_url, SponsorActivity()) as it:
        await it.process(batch(0, 0, note(UNKNOWN), note(UNKNOWN, "two"), note("x", "three")))
        await it.process(batch(0, 3, note(UNKNOWN), note(sponsor), note(UNKNOWN)))

    statuses = [(offset, status) for offset, _, status in await letters(connection)]
    assert statuses == [(0, "resolved"), (1, "pending"), (2, "pending"), (3, "resolved"), (5, "pending")]


async def test_a_letter_is_resolved_when_its_record_turns_out_to_be_applied_already(
    connection: Connection, database_url: str
) -> None:
    """The sponsor went, the event came again and was refused, the sponsor came back: what was re-driven closes it."""
    sponsor = await add_sponsor(connection)
    async with bench(database_url, SponsorActivity()) as it:
        await it.process(batch(0, 0, note(sponsor)))
        await connection.execute("DELETE FROM sponsors")
        await it.process(batch(0, 1, note(sponsor)))
        await connection.execute(
            "INSERT INTO sponsors (id, company_name, industry) VALUES ($1, 'Company', 'food')", sponsor
        )
        await redrive(it)
        assert await letters(connection) == [(1, "unknown_sponsor", "requeued")]
        await it.process(batch(0, 2, note(sponsor), note(sponsor, x=1)))
        await it.process(batch(0, 4, note(sponsor)))

    assert await letters(connection) == [(1, "unknown_sponsor", "resolved"), (3, "event_id_conflict", "pending")]
    assert await stored(connection) == {0: (5, 1, 2, 2)}


async def redrive(it: Bench) -> None:
    """Look once whether what letters miss has come."""
    settings = it.intake._settings
    await _redrive("sponsor_activity", Tools(settings, it.pool, it.metrics, Pulse(1)))


async def test_a_letter_is_taken_up_once_what_it_misses_is_there_and_not_before(
    connection: Connection, database_url: str
) -> None:
    event_id, sponsor = await add_event(connection), await add_sponsor(connection)
    rows = await connection.fetch("DELETE FROM sponsors RETURNING *")
    refused = note(sponsor, event_id=event_id)
    async with bench(database_url, SponsorActivity()) as it:
        await it.process(batch(2, 0, refused, note(UNKNOWN, "two"), b"{"))
        await redrive(it)
        assert await outbox(connection, "sponsor-activity") == []
        assert it.count("eventos_dead_letters_pending") == 3

        await connection.execute("INSERT INTO sponsors SELECT ($1::sponsors).*", rows[0])
        await redrive(it)
        await redrive(it)

        (row,) = await outbox(connection, "sponsor-activity")
        assert (row["record_key"], row["payload"], row["type"], row["source"]) == (b"key", refused, None, None)
        statuses = await connection.fetch("SELECT status, attempts FROM dead_letters ORDER BY id")
        assert [tuple(it) for it in statuses] == [("requeued", 1), ("pending", 0), ("pending", 0)]
        assert it.count("eventos_dead_letters_pending") == 2

        await it.process(batch(2, 3, row["payload"]))
        assert [status for _, _, status in await letters(connection)] == ["resolved", "pending", "pending"]


async def test_a_letter_is_removed_when_its_time_is_over_whoever_left_it_and_whatever_became_of_it(
    connection: Connection, database_url: str
) -> None:
    async with bench(database_url, SponsorActivity(), dead_letters_kept_days=30) as it:
        await it.process(batch(0, 0, *[b"{"] * 6))
        aged = "UPDATE dead_letters SET created_at = now() - $1::interval WHERE record_offset BETWEEN $2 AND $3"
        await connection.execute(aged, timedelta(days=30, seconds=1), 0, 3)
        await connection.execute(aged, timedelta(days=30, seconds=-60), 4, 4)
        await connection.execute("UPDATE dead_letters SET status = 'resolved' WHERE record_offset = 0")
        await connection.execute("UPDATE dead_letters SET service = 'ticket_sales' WHERE record_offset = 1")
        await _expire(Tools(it.intake._settings, it.pool, it.metrics, Pulse(1)))

        assert await letters(connection) == [(4, "not_json", "pending"), (5, "not_json", "pending")]
        counted = it.metrics.letters_expired.labels
        assert [counted(*labels)._value.get() for labels in (
            ("sponsor_activity", "pending"), ("sponsor_activity", "resolved"), ("ticket_sales", "pending"),
        )] == [2, 1, 1]  # fmt: skip


async def test_letters_by_the_thousand_are_removed_in_one_turn(connection: Connection, database_url: str) -> None:
    async with bench(database_url, SponsorActivity()) as it:
        await it.process(batch(0, 0, *[b"{"] * 2500, None))
        await connection.execute(
            "UPDATE dead_letters SET created_at = now() - interval '91 days' WHERE record_offset < 2500"
        )
        await _expire(Tools(it.intake._settings, it.pool, it.metrics, Pulse(1)))

    assert await letters(connection) == [(2500, "not_json", "pending")]


async def test_what_is_in_letters_and_on_its_way_to_their_topic_is_read_by_those_who_must(
    connection: Connection,
) -> None:
    """Operators, and the relay what is in its outbox: not the service that refused it, nor another, and no client."""
    readers = (
        "SELECT array_agg(DISTINCT rolname::text ORDER BY rolname::text) FROM pg_roles, unnest($2::text[]) AS content"
        " WHERE NOT rolsuper"
        " AND (starts_with(rolname, 'eventos_') OR rolname IN ('anon', 'authenticated', 'service_role'))"
        " AND has_column_privilege(rolname, $1, content, 'SELECT')"
    )
    letter, row = ["key", "value", "headers", "detail", "type", "missing_id"], ["record_key", "payload", "headers"]
    assert await connection.fetchval(readers, "streams.dead_letters", letter) == ["eventos_operator"]
    assert await connection.fetchval(readers, "streams.outbox", row) == ["eventos_operator", "eventos_outbox_relay"]


async def test_an_intake_service_reads_no_letter_and_removes_none_that_is_not_old(
    connection: Connection, database_url: str
) -> None:
    """Neither its own nor another's; the letters go on their way all the same."""
    async with bench(database_url, SponsorActivity()) as it, it.pool.acquire() as service:
        await it.process(batch(0, 0, b"{"))
        await connection.execute(
            "UPDATE dead_letters SET service = 'ticket_sales', created_at = now() - interval '1 h'"
        )
        for refused in ("SELECT value FROM dead_letters", "SELECT * FROM dead_letters", "DELETE FROM dead_letters"):
            with pytest.raises(InsufficientPrivilegeError):
                await service.execute(refused)
        assert await expire(service, 0) == {}

    assert len(await letters(connection)) == 1
