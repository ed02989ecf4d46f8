"""Whole relays on a real Kafka and Postgres: what they send, byte for byte, who sends, and what they outlive."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeAlias
from uuid import UUID, uuid5

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import NewTopic
from prometheus_client import CollectorRegistry

from contracts.topics import DEAD_LETTERS, LEAD_SCORES, SPONSOR_ACTIVITY, Topic
from services.operator import kafka_admin
from services.outbox_relay import app, store
from services.outbox_relay.app import FATAL, Relay
from services.outbox_relay.domain import Outgoing
from services.outbox_relay.packing import LARGEST_RECORD, Packed
from services.runtime.database import Connection, connect, connect_pool
from services.runtime.health import Pulse
from services.runtime.metrics import ServiceMetrics
from services.runtime.service import Tools
from services.runtime.settings import Settings
from tests.support.interleaving import DEADLINE

SERVICE = "outbox_relay"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
Sent: TypeAlias = "ConsumerRecord[Any, Any]"
Headers = Sequence[tuple[str, bytes | None]]


class Watched(Relay):
    """The real relay; a test may hold it inside its transactions, and sees the error that ended one."""

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self.registry: CollectorRegistry = tools.metrics.registry
        self.reached, self.go = asyncio.Event(), asyncio.Event()
        self.go.set()
        self.errors: list[BaseException] = []

    async def _transact(self, producer: AIOKafkaProducer, records: Sequence[Outgoing]) -> None:
        try:
            await super()._transact(producer, records)
        except Exception as error:
            self.errors.append(error)
            raise

    async def _send_to(self, producer: AIOKafkaProducer, partition: TopicPartition, batches: Sequence[Packed]) -> None:
        await super()._send_to(producer, partition, batches)
        if not self.go.is_set():
            self.reached.set()
            await self.go.wait()

    @property
    def active(self) -> bool:
        return self.registry.get_sample_value("eventos_outbox_relay_active") == 1


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who stands by looks often, and what could not be written to is tried again at once."""
    monkeypatch.setattr(app, "STANDBY_INTERVAL", 0.05)
    monkeypatch.setattr(app, "BLOCKED_TOPIC_PAUSE", 0.05)


@asynccontextmanager
async def relay(settings: Settings) -> AsyncIterator[Watched]:
    """A relay that is built and does not run."""
    pool = await connect_pool(settings, SERVICE)
    try:
        yield Watched(Tools(settings, pool, ServiceMetrics(SERVICE), Pulse(60)))
    finally:
        pool.terminate()


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Watched]:
    """A relay at work, until the end of the block; whatever ends it before fails the test."""
    async with relay(settings) as made, asyncio.TaskGroup() as group:
        work = group.create_task(made.run())
        try:
            yield made
        finally:
            made.go.set()
            work.cancel()


async def until(reached: Callable[[], Awaitable[bool]]) -> None:
    """Look until `reached`, for a minute at most."""
    async with asyncio.timeout(DEADLINE):
        while not await reached():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def until_active(made: Watched) -> None:
    async def active() -> bool:
        return made.active

    await until(active)


async def until_sent(connection: Connection) -> None:
    """Wait until the outbox is empty."""

    async def empty() -> bool:
        return not await connection.fetchval("SELECT EXISTS (SELECT FROM outbox)")

    await until(empty)


async def tell(connection: Connection, key: str, *scores: int) -> list[int]:
    """Append an event for each score; return the rows' ids."""
    return [
        await connection.fetchval(
            "INSERT INTO outbox (aggregatetype, aggregateid, type, source, payload, traceparent)"
            " VALUES ($1, $2, 'eventos.lead_score.changed.v1', '/eventos/lead_scoring', $3, $4) RETURNING id",
            LEAD_SCORES.name,
            key,
            orjson.dumps({"score": score}),
            TRACE,
        )
        for score in scores
    ]


async def forward(
    connection: Connection, key: bytes | None, value: bytes | None, headers: Headers = (), topic: str | None = None
) -> None:
    """Append a record that is to be sent as it was."""
    kept = [[name, None if it is None else b64encode(it).decode()] for name, it in headers]
    await connection.execute(
        "INSERT INTO outbox (aggregatetype, aggregateid, record_key, payload, headers)"
        " VALUES ($1, '', $2, $3, $4::text::jsonb)",
        topic or DEAD_LETTERS.name,
        key,
        value,
        orjson.dumps(kept).decode(),
    )


async def records(settings: Settings, topic: Topic, isolation: str = "read_committed") -> list[Sent]:
    """All records of a topic, partition by partition in their order."""
    name = topic.full_name(settings.topic_prefix)
    async with AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers, isolation_level=isolation,
        max_partition_fetch_bytes=2 * LARGEST_RECORD,
    ) as consumer:  # fmt: skip
        tps = [TopicPartition(name, partition) for partition in range(topic.partitions)]
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        ends, found = await consumer.end_offsets(tps), []
        async with asyncio.timeout(DEADLINE):
            while any([await consumer.position(tp) < ends[tp] for tp in tps]):
                for some in (await consumer.getmany(timeout_ms=200)).values():
                    found += some
        return sorted(found, key=lambda record: (record.partition, record.offset))


def scores(found: Sequence[Sent], key: str) -> list[int]:
    return [orjson.loads(record.value)["data"]["score"] for record in found if record.key == key.encode()]


def ids(found: Sequence[Sent], key: str) -> list[str]:
    return [orjson.loads(record.value)["id"] for record in found if record.key == key.encode()]


async def cut_off(connection: Connection, made: Watched) -> None:
    """End the session that holds the lock, as a failing network would."""
    assert made.active
    ended = await connection.fetch(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    assert len(ended) == 1


async def test_events_reach_their_topic_in_order_per_key_as_cloudevents(
    settings: Settings, connection: Connection
) -> None:
    """In several rounds; nobody gives notice of the rows, the poll finds them."""
    namespace = UUID(await connection.fetchval("SELECT value #>> '{}' FROM control WHERE name = 'installation_id'"))
    rows = await tell(connection, "a", *range(10))
    async with running(settings.model_copy(update={"relay_records": 4, "poll_interval": 0.05})):
        await until_sent(connection)
        rows += await tell(connection, "a", 10, 11)
        await tell(connection, "b", 7)
        await until_sent(connection)

    found = await records(settings, LEAD_SCORES)
    assert (scores(found, "a"), scores(found, "b")) == (list(range(12)), [7])
    times = [orjson.loads(record.value)["time"] for record in found if record.key == b"a"]
    assert ids(found, "a") == [str(uuid5(namespace, f"{row} {at}")) for row, at in zip(rows, times, strict=True)]
    content_type = ("content-type", b"application/cloudevents+json; charset=UTF-8")
    assert {record.headers for record in found} == {(content_type, ("traceparent", TRACE.encode()))}
    envelope = orjson.loads(found[0].value)
    assert envelope.pop("id") and envelope.pop("time").endswith("Z") and "score" in envelope.pop("data")
    assert envelope == {
        "specversion": "1.0", "source": "/eventos/lead_scoring", "type": "eventos.lead_score.changed.v1",
        "datacontenttype": "application/json", "traceparent": TRACE,
    }  # fmt: skip


async def test_a_tombstone_follows_what_was_told_before_it(settings: Settings, connection: Connection) -> None:
    await tell(connection, "a", 1)
    await connection.execute(
        "INSERT INTO outbox (aggregatetype, aggregateid, source) VALUES ('lead-scores', 'a', '/eventos/lead_scoring')"
    )
    async with running(settings):
        await until_sent(connection)

    event, tombstone = await records(settings, LEAD_SCORES)
    assert event.value is not None
    assert (tombstone.key, tombstone.value, tombstone.headers) == (b"a", None, ())


async def test_dead_letters_and_requeued_records_are_sent_byte_for_byte(
    settings: Settings, connection: Connection
) -> None:
    headers: Headers = [("a", b"\xff\x00"), ("a", None), ("a", b""), ("", b"x"), ("é", b"a")]
    forms: list[tuple[bytes | None, bytes | None, Headers]] = [
        (b"\x00\xfe", b"\xff{", headers), (None, b"", ()), (b"", None, headers[:1]), (None, None, [("a", None)]),
    ]  # fmt: skip
    for topic in (DEAD_LETTERS, SPONSOR_ACTIVITY):
        for key, value, its_headers in forms:
            await forward(connection, key, value, its_headers, topic.name)
    async with running(settings):
        await until_sent(connection)

    for topic in (DEAD_LETTERS, SPONSOR_ACTIVITY):
        found = [(record.key, record.value, list(record.headers)) for record in await records(settings, topic)]
        assert sorted(found, key=repr) == sorted(((k, v, list(h)) for k, v, h in forms), key=repr)


@pytest.mark.proves(17)
async def test_a_crash_between_sending_and_deleting_sends_again_with_the_same_ids(
    settings: Settings, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete, crashes = store.delete_sent, [ConnectionResetError()]

    async def crash(service: Connection, sent: Sequence[int]) -> None:
        if sent and crashes:
            raise crashes.pop()
        await delete(service, sent)

    monkeypatch.setattr(store, "delete_sent", crash)
    await tell(connection, "a", 1, 2, 3)
    async with running(settings):
        await until_sent(connection)

    found = await records(settings, LEAD_SCORES)
    assert scores(found, "a") == [1, 2, 3, 1, 2, 3]
    assert [record.value for record in found[:3]] == [record.value for record in found[3:]]
    assert len(set(ids(found, "a"))) == 3


@pytest.mark.proves(18)
async def test_of_two_relays_one_is_active_and_the_other_takes_over_when_its_session_ends(
    settings: Settings, connection: Connection
) -> None:
    async with running(settings) as first:
        await until_active(first)
        async with running(settings) as second:
            await tell(connection, "a", 1)
            await until_sent(connection)
            assert (first.active, second.active) == (True, False)

            await cut_off(connection, first)
            await until_active(second)
            await tell(connection, "a", 2)
            await until_sent(connection)

            async def stands_by() -> bool:
                return not first.active

            await until(stands_by)
        await until_active(first)
        await tell(connection, "a", 3)
        await until_sent(connection)

    assert scores(await records(settings, LEAD_SCORES), "a") == [1, 2, 3]


@pytest.mark.proves(18)
async def test_of_a_relay_that_was_frozen_in_the_middle_of_sending_nothing_becomes_visible(
    settings: Settings, connection: Connection
) -> None:
    """Its records are at the broker, uncommitted; another takes over and sends newer ones; then it wakes up."""
    await tell(connection, "a", 1)
    async with running(settings) as old:
        old.go.clear()
        async with asyncio.timeout(DEADLINE):
            await old.reached.wait()
        await cut_off(connection, old)
        async with running(settings) as new:
            await until_active(new)
            await tell(connection, "a", 2)
            await until_sent(connection)

            old.go.set()

            async def fenced() -> bool:
                return bool(old.errors) and not old.active

            await until(fenced)
            await tell(connection, "a", 3)
            await until_sent(connection)
            assert new.active and new.errors == []
    assert isinstance(old.errors[0], FATAL)

    assert scores(await records(settings, LEAD_SCORES), "a") == [1, 2, 3]
    assert scores(await records(settings, LEAD_SCORES, "read_uncommitted"), "a") == [1, 1, 2, 3]


@pytest.mark.proves(16)
async def test_a_topic_that_is_missing_is_in_nobodys_way_and_gets_its_rows_once_it_is_there(
    settings: Settings, connection: Connection
) -> None:
    late = Topic("late", "", "", "", (), None, partitions=1)
    await tell(connection, "a", 1)
    await forward(connection, b"x", b"1", topic=late.name)
    await tell(connection, "a", 2)
    await forward(connection, b"x", b"2", topic=late.name)
    service = await connect(settings, SERVICE)
    async with AsyncExitStack() as cleanup:
        cleanup.push_async_callback(service.close)
        it = await cleanup.enter_async_context(relay(settings))
        kafka = await cleanup.enter_async_context(
            AIOKafkaProducer(
                bootstrap_servers=settings.kafka_bootstrap_servers,
                transactional_id=f"{settings.topic_prefix}outbox-relay",
                request_timeout_ms=5000,
            )
        )
        namespace = await store.installation(service)
        assert await it.round(service, kafka, namespace) == 2
        assert scores(await records(settings, LEAD_SCORES), "a") == [1, 2]
        async with kafka_admin.admin(settings) as admin:
            await admin.create_topics([NewTopic(late.full_name(settings.topic_prefix), 1, 1)])

        async def sent() -> bool:
            return await it.round(service, kafka, namespace) == 2

        await until(sent)
    assert [record.value for record in await records(settings, late)] == [b"1", b"2"]


async def test_what_a_topic_finds_too_large_goes_without_its_value_and_its_neighbours_whole(
    settings: Settings, connection: Connection
) -> None:
    """Some are too large for the topic, as the broker says; one for any request, as the client says.

    The broker's refusal ends a producer, whose numbers do not fit any more: the next one must not do the same again.
    """
    small = Topic("small", "", "", "", (), None, partitions=1)
    limited = NewTopic(small.full_name(settings.topic_prefix), 1, 1, topic_configs={"max.message.bytes": "100000"})
    async with kafka_admin.admin(settings) as admin:
        await admin.create_topics([limited])
    await tell(connection, "a", 1)
    await forward(connection, b"k", b"before", topic=small.name)
    await forward(connection, b"k", b"x" * 200_000, [("a", b"b")], small.name)
    await forward(connection, b"k", b"between", topic=small.name)
    await forward(connection, b"k", b"x" * LARGEST_RECORD, topic=small.name)
    await forward(connection, b"k", b"after", topic=small.name)
    async with running(settings):
        await until_sent(connection)

    found = [(record.value, record.headers) for record in await records(settings, small)]
    assert found == [
        (b"before", ()),
        (None, (("a", b"b"), ("eventos-value-omitted", b"200000"))),
        (b"between", ()),
        (None, (("eventos-value-omitted", str(LARGEST_RECORD).encode()),)),
        (b"after", ()),
    ]
    assert scores(await records(settings, LEAD_SCORES), "a") == [1]


async def test_a_topic_that_takes_no_batch_as_large_as_ours_gets_each_record_whole(
    settings: Settings, connection: Connection
) -> None:
    """Together they are refused, each of them is small enough; the last is not."""
    small = Topic("small", "", "", "", (), None, partitions=1)
    limited = NewTopic(small.full_name(settings.topic_prefix), 1, 1, topic_configs={"max.message.bytes": "5000"})
    async with kafka_admin.admin(settings) as admin:
        await admin.create_topics([limited])
    for n in range(20):
        await forward(connection, b"k", bytes([n]) * 1000, topic=small.name)
    await forward(connection, b"k", b"x" * 6000, topic=small.name)
    async with running(settings):
        await until_sent(connection)

    found = [record.value for record in await records(settings, small)]
    assert found == [*(bytes([n]) * 1000 for n in range(20)), None]


@pytest.mark.parametrize("part", ["key", "headers"])
async def test_a_letter_whose_key_or_headers_are_too_large_goes_with_what_was_wrong_and_holds_up_no_other(
    settings: Settings, connection: Connection, part: str
) -> None:
    """A publisher that compresses may send a key of any size."""
    large = b"x" * LARGEST_RECORD
    why = ("eventos-reason", b"oversized")
    await forward(connection, large if part == "key" else b"k", b"1", [("a", large if part == "headers" else b""), why])
    await forward(connection, b"k", b"after")
    async with running(settings):
        await until_sent(connection)

    found = {record.value: (record.key, record.headers) for record in await records(settings, DEAD_LETTERS)}
    size = str(len(large) if part == "key" else 1).encode()
    assert found == {
        None: (None, (why, ("eventos-value-omitted", b"1"), ("eventos-key-omitted", size))),
        b"after": (b"k", ()),
    }
