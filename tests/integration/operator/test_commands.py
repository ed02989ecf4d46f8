"""The commands on a real Kafka and Postgres: what was published, what became of it, what is to be done.

Redelivery stands in for the running services here: on an empty ledger it applies everything.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from contracts.topics import SPONSOR_ACTIVITY, TICKET_SALES
from services.operator.core_rows import load_core
from services.operator.kafka_clients import reader
from services.operator.surroundings import database
from services.runtime.database import Connection
from services.runtime.settings import Settings
from tests.support.command_line import data, environment_of, eventos, write_lines
from tests.support.records import event

GALA, SPONSOR = str(uuid4()), str(uuid4())
CORE = {
    "users": [],
    "events": [{"id": GALA, "title": "Gala", "currency": "EUR", "capacity": 10}],
    "sponsors": [{"id": SPONSOR, "company_name": "Company", "industry": "food"}],
}
VIEW = event(TICKET_SALES, "page_viewed", id="view", source="/shop", event_id=GALA, session_id="s")
ORDER = event(TICKET_SALES, "order_completed", id="order", source="/shop", event_id=GALA, order_id="o-1", quantity=2,
              amount="50.00", currency="EUR", ticket_type="vip")  # fmt: skip
STRANGE = event(TICKET_SALES, "page_viewed", id="strange", source="/shop", event_id=str(uuid4()), session_id="s")
BROKEN = {"topic": "ticket-sales", "key": GALA, "value": "{ broken"}

Environment = dict[str, str]


@pytest.fixture
def environment(settings: Settings) -> Environment:
    """A database with an event and a sponsor, and topics, as a command finds them."""
    _with_connection(settings, lambda connection: load_core(connection, CORE))
    return environment_of(settings)


def publish(environment: Environment, folder: Path, *lines: Any) -> None:
    """Send records as they are: valid events through the command, others past it."""
    result = eventos("publish", write_lines(folder / "lines.jsonl", lines), environment=environment)
    assert result.exit_code == 0, result.output


def redeliver(environment: Environment, *words: str) -> Any:
    how = words or ("--from-beginning",)
    return data(eventos("replay", "redeliver", "ticket_sales", *how, "--json", environment=environment))


def test_published_events_are_applied_and_their_receipt_says_by_whom_and_to_what(
    environment: Environment, tmp_path: Path
) -> None:
    publish(environment, tmp_path, VIEW, ORDER)
    redeliver(environment)

    receipt = data(eventos("receipt", "/shop", "order", "--json", environment=environment))

    assert receipt["outcome"] == "applied"
    assert receipt["applied"]["service"] == "ticket_sales"
    assert {fact["table"] for fact in receipt["facts"]} == {"ticket_events", "ticket_orders"}
    assert next(fact for fact in receipt["facts"] if fact["table"] == "ticket_orders")["net_cents"] == 5000


def test_a_receipt_of_what_nobody_has_seen_says_so_and_fails(environment: Environment) -> None:
    result = eventos("receipt", "/shop", "never", environment=environment)

    assert result.exit_code == 1
    assert "Nobody has seen it" in result.stdout


def test_redelivery_applies_what_was_missing_and_after_that_changes_nothing(
    environment: Environment, tmp_path: Path
) -> None:
    publish(environment, tmp_path, VIEW, ORDER, STRANGE, VIEW)

    first, second = redeliver(environment), redeliver(environment)

    assert first["counts"] == {"applied": 2, "duplicate": 1, "dead_lettered": 1}
    assert not first["unchanged"]
    assert second["counts"] == {"applied": 0, "duplicate": 3, "dead_lettered": 1}
    assert second["unchanged"]
    assert second["digest_before"] == second["digest_after"] == first["digest_after"]


def test_redelivery_of_what_is_refused_leaves_letters_where_there_are_none(
    environment: Environment, tmp_path: Path
) -> None:
    publish(environment, tmp_path, STRANGE)

    first, second = redeliver(environment), redeliver(environment)

    assert first["counts"] == second["counts"] == {"applied": 0, "duplicate": 0, "dead_lettered": 1}
    assert (first["unchanged"], second["unchanged"]) == (False, True)


def test_redelivery_leaves_a_row_and_never_moves_live_positions(
    environment: Environment, settings: Settings, tmp_path: Path
) -> None:
    publish(environment, tmp_path, VIEW)
    run = redeliver(environment)["run"]

    async def look(connection: Connection) -> tuple[Any, Any]:
        row = await connection.fetchrow("SELECT status, service, counts FROM replay_runs WHERE id = $1", run)
        live = await connection.fetchval("SELECT count(*) FROM stream_offsets WHERE service = 'ticket_sales'")
        return tuple(row or ()), live

    row, live = _with_connection(settings, look)
    assert (row[:2], json.loads(row[2]) if isinstance(row[2], str) else row[2]) == (
        ("done", "ticket_sales"),
        {"applied": 1, "duplicate": 0, "dead_lettered": 0},
    )
    assert live == 0


def test_redelivery_begins_where_it_is_told_to(environment: Environment, tmp_path: Path) -> None:
    publish(environment, tmp_path, VIEW, ORDER)
    status = data(eventos("status", "--json", environment=environment))
    (partition,) = [row["partition"] for row in status["partitions"] if row["log_end"] == 2]

    assert redeliver(environment, "--from-offset", f"{partition}:1")["counts"]["applied"] == 1
    assert redeliver(environment, "--from-time", "1h")["counts"] == {"applied": 1, "duplicate": 1, "dead_lettered": 0}
    assert redeliver(environment, "--from-time", "2100-01-01")["counts"]["duplicate"] == 0


def test_status_tells_lag_in_records_and_in_seconds(environment: Environment, tmp_path: Path) -> None:
    publish(environment, tmp_path, VIEW, ORDER)

    status = data(eventos("status", "--json", environment=environment))

    behind = [row for row in status["partitions"] if row["lag"]]
    assert [(row["service"], row["lag"], row["stored_offset"]) for row in behind] == [("ticket_sales", 2, 0)]
    assert 0 <= behind[0]["lag_seconds"] < 60
    assert not status["idle"]


def test_publish_takes_the_partition_key_and_keeps_the_order(
    environment: Environment, settings: Settings, tmp_path: Path
) -> None:
    views = [
        event(TICKET_SALES, "page_viewed", id=f"{n}", source="/shop", event_id=GALA, session_id="s") for n in range(50)
    ]
    publish(environment, tmp_path, *views)

    found = asyncio.run(_read(settings, TICKET_SALES.full_name(settings.topic_prefix)))

    assert {key for key, _ in found} == {GALA.encode()}
    assert [value for _, value in found] == views


def test_publish_skips_bad_lines_only_when_told_to(
    environment: Environment, settings: Settings, tmp_path: Path
) -> None:
    file = write_lines(tmp_path / "lines.jsonl", [BROKEN, VIEW])
    topic = TICKET_SALES.full_name(settings.topic_prefix)

    assert eventos("publish", file, environment=environment).exit_code == 1
    assert asyncio.run(_read(settings, topic)) == []
    assert data(eventos("publish", file, "--skip-bad", "--json", environment=environment)) == {
        "published": 1,
        "skipped": 1,
    }
    assert len(asyncio.run(_read(settings, topic))) == 1


def test_dead_letters_are_listed_by_reason_shown_whole_and_requeued_once(
    environment: Environment, settings: Settings, tmp_path: Path
) -> None:
    publish(environment, tmp_path, VIEW, STRANGE)
    redeliver(environment)

    (letter,) = data(eventos("dead-letters", "list", "--reason", "unknown_event", "--json", environment=environment))
    shown = data(eventos("dead-letters", "show", letter["id"], "--json", environment=environment))
    first = eventos("dead-letters", "requeue", letter["id"], environment=environment)
    second = eventos("dead-letters", "requeue", letter["id"], environment=environment)

    assert eventos("dead-letters", "list", "--reason", "not_json", "--json", environment=environment).stdout == "[]\n"
    assert shown["value"].encode() == STRANGE
    assert (first.exit_code, second.exit_code) == (0, 1)
    assert "not pending" in second.stderr

    async def outbox(connection: Connection) -> Any:
        return await connection.fetchrow(
            "SELECT aggregatetype, type, record_key, payload, headers::text FROM outbox WHERE aggregatetype = $1",
            TICKET_SALES.name,
        )

    row = _with_connection(settings, outbox)
    assert tuple(row)[:4] == (TICKET_SALES.name, None, shown["key"].encode(), STRANGE)
    assert "eventos-requeued-from" in row["headers"]


def test_dead_letters_that_nobody_wants_are_closed_and_not_sent_with_the_others(
    environment: Environment, tmp_path: Path
) -> None:
    wanted = event(TICKET_SALES, "page_viewed", id="wanted", source="/shop", event_id=str(uuid4()), session_id="s")
    publish(environment, tmp_path, STRANGE, wanted)
    redeliver(environment)
    listed = data(eventos("dead-letters", "list", "--json", environment=environment))
    ids = {letter["event_identity"]: letter["id"] for letter in listed}

    first = eventos("dead-letters", "discard", ids["strange"], "--json", environment=environment)
    again = eventos("dead-letters", "discard", ids["strange"], environment=environment)
    requeued = eventos("dead-letters", "requeue", "--all", "--json", environment=environment)

    assert data(first) == {"discarded": [ids["strange"]], "not_pending": []}
    assert again.exit_code == 1
    assert data(requeued) == {"requeued": [ids["wanted"]], "not_pending": []}
    shown = data(eventos("dead-letters", "show", ids["strange"], "--json", environment=environment))
    assert shown["status"] == "discarded"


def test_a_dead_letter_that_is_not_there_is_one_message(environment: Environment) -> None:
    result = eventos("dead-letters", "show", 999, environment=environment)

    assert result.exit_code == 1
    assert "there is no dead letter 999" in result.stderr


def test_resume_clears_the_reason_and_the_count_and_only_where_there_is_one(
    environment: Environment, settings: Settings
) -> None:
    """The position stands where the topic reaches as far; in one that was made anew it goes back to the start."""
    topic = SPONSOR_ACTIVITY.full_name(settings.topic_prefix)
    _with_connection(
        settings,
        lambda connection: connection.execute(
            "INSERT INTO stream_offsets (service, topic, partition, next_offset, refused_in_row, stopped_reason)"
            " VALUES ('sponsor_activity', $1, 3, 0, 9, 'all refused'), ('sponsor_activity', $1, 4, 7, 0, 'made anew')",
            topic,
        ),
    )

    first = eventos("resume", "sponsor-activity", 3, environment=environment)
    second = eventos("resume", "sponsor-activity", 3, environment=environment)
    anew = eventos("resume", "sponsor-activity", 4, environment=environment)

    assert (first.exit_code, second.exit_code, anew.exit_code) == (0, 1, 0)
    assert "all refused" in first.stderr
    rows = _with_connection(
        settings,
        lambda c: c.fetch(
            "SELECT partition, stopped_reason, refused_in_row, next_offset FROM stream_offsets ORDER BY partition"
        ),
    )
    assert [tuple(row) for row in rows] == [(3, None, 0, 0), (4, None, 0, 0)]


def test_migrate_has_nothing_to_do_on_a_database_that_is_up_to_date(environment: Environment) -> None:
    assert data(eventos("migrate", "--json", environment=environment)) == {"applied": True, "migrations": []}


def test_a_database_that_cannot_be_reached_is_one_message(environment: Environment) -> None:
    nowhere = {**environment, "EVENTOS_DATABASE_URL": "postgresql://127.0.0.1:1/eventos"}
    result = eventos("dead-letters", "list", environment=nowhere)

    assert result.exit_code == 1
    assert "Postgres cannot be reached" in result.stderr
    assert "Traceback" not in result.stderr


def _with_connection(settings: Settings, use: Callable[[Connection], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with database(settings, as_owner=True) as pool, pool.acquire() as connection:
            return await use(connection)

    return asyncio.run(run())


async def _read(settings: Settings, topic: str) -> list[tuple[bytes | None, bytes | None]]:
    async with reader(settings) as opened:
        ends = {tp: end for tp, end in (await opened.ends([topic])).items() if end}
        if not ends:
            return []
        opened.consumer.assign(list(ends))
        await opened.consumer.seek_to_beginning(*ends)
        found: list[tuple[bytes | None, bytes | None]] = []
        while len(found) < sum(ends.values()):
            polled = await opened.consumer.getmany(timeout_ms=1000)
            found += [(record.key, record.value) for records in polled.values() for record in records]
        return found
