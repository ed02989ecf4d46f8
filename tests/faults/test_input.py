"""Records that are wrong, come twice, are gone, or are not those that were there before."""

import asyncio
import json
from collections.abc import Sequence
from functools import partial
from uuid import uuid4

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import RecordsToDelete

from contracts.topics import EMAIL_ENGAGEMENT, SPONSOR_ACTIVITY, TICKET_SALES, Topic
from services.operator.processes import INTAKE_SERVICES
from services.operator.resume import _resume as resume
from services.operator.topics import apply_topics
from tests.support.faulty import Scene
from tests.support.records import event
from tests.support.running import line_of
from tests.support.stage import Stage

pytestmark = pytest.mark.timeout(300)

LAST = 11
YEAR = 365 * 24 * 60
GAP_METRIC = ("eventos_offset_gap_records", "eventos_offset_gap_records_total")
WRONG: dict[str, list[bytes | None]] = {
    "not_json": [
        b"\xff\xfe\x00", b"{", None, b"", b'{"a": NaN}', b'{"a": 1' + b"0" * 400 + b"}", b"[" * 5000 + b"]" * 5000,
        b'{"a": "\\ud800"}',
    ],
    "oversized": [b'"' + b"x" * 65_535 + b'"'],
    "invalid_envelope": [b"{}", b"17", b'{"specversion": "1.0", "id": "x"}'],
}  # fmt: skip


@pytest.mark.proves(14)
async def test_whatever_a_record_holds_it_is_refused_with_a_reason_and_its_neighbours_are_applied(stage: Stage) -> None:
    async with stage.scene() as it:
        await it.flowing()
        expected: dict[tuple[str, int], str] = {}
        for topic in (SPONSOR_ACTIVITY, EMAIL_ENGAGEMENT, TICKET_SALES):
            no_data = orjson.dumps({**orjson.loads(_good(it, topic)), "data": {"event_id": "no uuid"}})
            wrong = [(reason, value) for reason, values in WRONG.items() for value in values]
            wrong.append(("invalid_data", no_data))
            first = await _publish_together(it, topic, [v for _, bad in wrong for v in (bad, _good(it, topic))])
            expected |= {(topic.name, first + 2 * at): reason for at, (reason, _) in enumerate(wrong)}
        seconds = await it.recovered()
        rows = await it.services.pool.fetch(
            "SELECT topic, record_offset, reason FROM dead_letters WHERE partition = $1", LAST
        )
        found = {(row["topic"], row["record_offset"]): row["reason"] for row in rows}
        assert expected.items() <= found.items()
        await it.prove("13 bad records in one piece to each topic, each with a good neighbour", 3 * 13, seconds)


@pytest.mark.long
@pytest.mark.proves(15)
async def test_when_every_record_is_refused_the_partition_stops_and_is_resumed_by_command(stage: Stage) -> None:
    async with stage.scene(refused_in_row_limit=50) as it:
        await it.flowing()
        await _publish_together(it, TICKET_SALES, [b"{"] * 120)
        for _ in range(2):
            await it.until(lambda: _stopped(it))
            await it.until(lambda: _paused(it))
            await it.command("resume", "ticket-sales", LAST)
        seconds = await it.recovered()
        await it.prove("120 bad records in a row, limit 50; resumed twice", 1, seconds)


@pytest.mark.long
@pytest.mark.proves(19)
async def test_events_that_come_again_at_other_offsets_on_other_partitions_and_by_a_replay_count_once(
    stage: Stage,
) -> None:
    async with stage.scene() as it:
        await it.flowing()
        again = list(it.publisher.kept.items())[:300]
        for step in (0, 1, 5):
            await asyncio.gather(
                *(
                    it.services.producer.send(
                        record.topic.full_name(it.settings.topic_prefix), record.value or b"", record.key,
                        (partition + step) % 12, None, list(record.headers),
                    )
                    for (_, partition, _), record in again
                )
            )  # fmt: skip
        seconds = await it.recovered()
        for service in INTAKE_SERVICES:
            await it.command("replay", "redeliver", service, "--from-beginning")
        await it.prove("300 records again on their own and two other partitions, then all by a replay", 4, seconds)


@pytest.mark.long
@pytest.mark.proves(22)
async def test_redelivery_changes_nothing_while_live_when_interrupted_and_when_repeated(stage: Stage) -> None:
    async with stage.scene() as it:
        await it.flowing()
        await it.settles(1000)
        for service in INTAKE_SERVICES:
            running = await it.begin("replay", "redeliver", service, "--from-beginning")
            await it.until(lambda: _replaying(it))
            running.kill()
            await running.wait()
            await it.command("replay", "redeliver", service, "--from-beginning")
        seconds = await it.recovered()
        await it.publisher.stop()
        await it.settle()
        before = await it.services.balance_in_database()
        for service in INTAKE_SERVICES * 2:
            said = json.loads(await it.command("replay", "redeliver", service, "--from-beginning", "--json"))
            assert (said["unchanged"], said["live_moved"]) == (True, False)
        assert await it.services.balance_in_database() == before
        await it.prove("replay of everything: killed, while live, and twice when idle, of each service", 12, seconds)


@pytest.mark.long
@pytest.mark.proves(12)
@pytest.mark.parametrize("policy", ["stop", "continue"])
async def test_records_that_retention_ate_are_counted_and_all_others_applied(stage: Stage, policy: str) -> None:
    """The service says what it could not read; exactly that is missing."""
    async with stage.scene(retention_gap=policy, batch_records=10) as it:
        await it.flowing()
        async with it.holding("SELECT FROM stream_offsets WHERE service = 'ticket_sales' FOR UPDATE"):
            held_up = len(it.publisher.kept)
            await it.until(lambda: len(it.publisher.kept) > held_up + 1000)
            name = TICKET_SALES.full_name(it.settings.topic_prefix)
            ends = await it.services.reader.ends([name])
            gone = {tp: RecordsToDelete(before_offset=end) for tp, end in ends.items()}
            await it.services.reader.admin.delete_records(gone)
        if policy == "stop":
            await it.until(lambda: _stopped(it))
        seconds = await it.recovered(meanwhile=partial(_resume_all, it))
        await it.publisher.stop()
        await it.settle()
        gaps = _gaps(it)
        missing = sum(end - first for first, end in gaps.values())
        assert missing == await it.sum_of("ticket_sales", *GAP_METRIC)
        assert missing > 0
        truth = [
            line_of(record)
            for (topic, partition, offset), record in it.publisher.kept.items()
            if topic != TICKET_SALES.name or not _within(gaps.get(partition), offset)
        ]
        beside = {("ticket_sales", partition): first - end for partition, (first, end) in gaps.items()}
        await it.prove(
            f"records deleted before they were read, policy {policy}", 1, seconds, truth=truth, beside=beside
        )


@pytest.mark.long
@pytest.mark.proves(13)
async def test_a_topic_that_is_made_anew_stops_its_partitions_and_is_read_from_its_start_once_resumed(
    stage: Stage,
) -> None:
    async with stage.scene() as it:
        await it.flowing()
        await it.publisher.stop()
        await it.settle()
        before = {at: held.record for at, held in (await it.services.records()).items()}
        name = TICKET_SALES.full_name(it.settings.topic_prefix)
        await it.services.reader.admin.delete_topics([name])
        await apply_topics(it.settings, replication_factor=1)
        await _publish_together(it, TICKET_SALES, [_good(it, TICKET_SALES) for _ in range(20)])
        await it.until(lambda: _stopped(it))
        seconds = await it.until(lambda: _read_anew(it, 20))
        new = [held.record for (topic, *_), held in (await it.services.records()).items() if topic == TICKET_SALES.name]
        truth = [*before.values(), *new]
        beside = {("ticket_sales", p): sum(at[:2] == (TICKET_SALES.name, p) for at in before) for p in range(12)}
        await it.prove(
            "topic deleted and made anew under its consumer; resumed", 1, seconds, truth=truth, beside=beside
        )


def _good(it: Scene, topic: Topic) -> bytes:
    """A valid event, another one each time."""
    about = {"source": "/more", "minute": -YEAR, "event_id": it.core["events"][0]["id"]}
    if topic is SPONSOR_ACTIVITY:
        return event(topic, "website_visited", sponsor_id=it.core["sponsors"][0]["id"], **about)
    if topic is EMAIL_ENGAGEMENT:
        return event(topic, "sent", message_id=str(uuid4()), **about)
    return event(topic, "page_viewed", session_id="s", **about)


async def _publish_together(it: Scene, topic: Topic, values: Sequence[bytes | None]) -> int:
    """Publish to the last partition in one piece, with nothing between; returns the first offset."""
    name = topic.full_name(it.settings.topic_prefix)
    async with AIOKafkaProducer(
        bootstrap_servers=it.settings.kafka_bootstrap_servers, max_batch_size=1_000_000
    ) as producer:
        batch = producer.create_batch()
        for value in values:
            assert batch.append(key=b"together", value=value, timestamp=None) is not None
        sent = await (await producer.send_batch(batch, name, partition=LAST))
    return int(sent.offset)


async def _stopped(it: Scene) -> int:
    found: int = await it.services.pool.fetchval("SELECT count(*) FROM stream_offsets WHERE stopped_reason IS NOT NULL")
    return found


async def _paused(it: Scene) -> bool:
    return await it.sum_of("ticket_sales", "eventos_partition_paused") == 1


async def _resume_all(it: Scene) -> None:
    """Do what `eventos resume` does, for every partition that is stopped."""
    rows = await it.services.pool.fetch(
        "SELECT partition FROM stream_offsets WHERE service = 'ticket_sales' AND stopped_reason IS NOT NULL"
    )
    for row in rows:
        await resume(it.settings, TICKET_SALES.full_name(it.settings.topic_prefix), row["partition"])


async def _read_anew(it: Scene, count: int) -> bool:
    """Resume what is stopped; whether so many of the events published besides have been applied."""
    await _resume_all(it)
    seen: int = await it.services.pool.fetchval("SELECT count(*) FROM ticket_events WHERE source = '/more'")
    return seen >= count


async def _replaying(it: Scene) -> bool:
    settled = await it.services.pool.fetchval(
        "SELECT sum(applied + duplicate + dead_lettered) FROM stream_offsets WHERE service LIKE 'replay:%'"
    )
    return bool(settled)


def _gaps(it: Scene) -> dict[int, tuple[int, int]]:
    """Partition → the offsets that ticket_sales said were gone, from and to."""
    lines = [line for child in it.processes("ticket_sales") for line in child.log.read_text("utf-8").splitlines()]
    said = [json.loads(line) for line in lines if '"records_gone"' in line]
    return {line["partition"]: (line["gap"][0], line["gap"][1]) for line in said}


def _within(gap: tuple[int, int] | None, offset: int) -> bool:
    return gap is not None and gap[0] <= offset < gap[1]
