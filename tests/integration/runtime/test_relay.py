"""The outbox relay on a real Kafka: one sends, in order; a frozen one loses its place; a resend changes no id."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from contracts.topics import LEAD_SCORES
from services.outbox_relay import app, store
from services.outbox_relay.app import FATAL, Relay
from services.runtime.database import Connection, connect, connect_pool
from services.runtime.health import Pulse
from services.runtime.metrics import ServiceMetrics
from services.runtime.service import Tools
from services.runtime.settings import Settings
from tests.support.databases import connect as as_owner

pytestmark = pytest.mark.proves(17, 18, 28)

SERVICE = "outbox_relay"


@asynccontextmanager
async def relay(settings: Settings, pulse: Pulse | None = None) -> AsyncIterator[Relay]:
    pool = await connect_pool(settings, SERVICE)
    try:
        yield Relay(Tools(settings, pool, ServiceMetrics(SERVICE), pulse or Pulse(60)))
    finally:
        pool.terminate()


@asynccontextmanager
async def producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    """The one that a relay makes when it takes over."""
    made = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        transactional_id=f"{settings.topic_prefix}outbox-relay",
        request_timeout_ms=3000,
    )
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def append(connection: Connection, key: str, *scores: int) -> None:
    for score in scores:
        await connection.execute(
            "INSERT INTO outbox (aggregatetype, aggregateid, type, source, payload)"
            " VALUES ('lead-scores', $1, 'eventos.lead_score.changed.v1', '/eventos/lead_scoring', $2)",
            key,
            orjson.dumps({"score": score}),
        )


async def sent(settings: Settings) -> list[ConsumerRecord[Any, Any]]:
    """All committed records of lead-scores, partition by partition."""
    name = LEAD_SCORES.full_name(settings.topic_prefix)
    options = {"bootstrap_servers": settings.kafka_bootstrap_servers, "isolation_level": "read_committed"}
    async with AIOKafkaConsumer(**options) as consumer:
        tps = [TopicPartition(name, partition) for partition in range(LEAD_SCORES.partitions)]
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        ends, records = await consumer.end_offsets(tps), []
        while any([await consumer.position(tp) < ends[tp] for tp in tps]):
            for found in (await consumer.getmany(timeout_ms=500)).values():
                records += found
        return records


def scores(records: list[ConsumerRecord[Any, Any]], key: str) -> list[int]:
    return [orjson.loads(record.value)["data"]["score"] for record in records if record.key == key.encode()]


async def test_rows_of_a_key_are_sent_in_their_order_and_are_gone_then(
    settings: Settings, connection: Connection
) -> None:
    await append(connection, "a", *range(20))
    await append(connection, "b", 7)
    service = await connect(settings, SERVICE)
    async with relay(settings) as it, producer(settings) as kafka:
        namespace = await store.installation(service)
        assert await it.round(service, kafka, namespace) == 21
        assert await it.round(service, kafka, namespace) == 0
    await service.close()

    records = await sent(settings)
    assert (scores(records, "a"), scores(records, "b")) == (list(range(20)), [7])
    assert await connection.fetchval("SELECT count(*) FROM outbox") == 0


async def test_of_two_relays_one_is_active_until_its_session_ends(settings: Settings, connection: Connection) -> None:
    first, second = await connect(settings, SERVICE), await connect(settings, SERVICE)
    assert await store.take_over(first)
    assert not await store.take_over(second)

    await connection.fetch("SELECT pg_terminate_backend($1, 5000)", first.get_server_pid())

    assert await store.take_over(second)
    await second.close()
    first.terminate()


async def test_a_relay_that_is_silent_too_long_loses_the_lock(settings: Settings) -> None:
    first, second = await connect(settings, SERVICE), await connect(settings, SERVICE)
    gone = asyncio.Event()
    first.add_termination_listener(lambda _: gone.set())
    assert await store.take_over(first)
    await store.give_up_when_silent(first, 1)
    async with asyncio.timeout(30):
        await gone.wait()

    assert await store.take_over(second)
    await second.close()


async def test_a_relay_that_was_frozen_before_sending_cannot_put_an_older_value_behind_a_newer_one(
    settings: Settings, connection: Connection
) -> None:
    """It has read its rows; another takes over, sends them and newer ones; when it wakes up, Kafka refuses it."""
    service, other = await connect(settings, SERVICE), await as_owner(settings.database_url.get_secret_value())
    await append(connection, "a", 1)
    async with relay(settings) as old, relay(settings) as new, producer(settings) as frozen:
        namespace: bytes = await store.installation(service)
        rows = await store.next_rows(service, 100, [])
        async with producer(settings) as kafka:
            await append(connection, "a", 2)
            assert await new.round(service, kafka, namespace) == 2
            with pytest.raises(FATAL):
                await anext(old._send(frozen, rows, namespace))
    await service.close()
    await other.close()

    assert scores(await sent(settings), "a") == [1, 2]


async def test_rows_sent_again_after_a_crash_before_their_deletion_are_the_same_records(
    settings: Settings, connection: Connection
) -> None:
    service = await connect(settings, SERVICE)
    await append(connection, "a", 1, 2)
    async with relay(settings) as it, producer(settings) as kafka:
        namespace = await store.installation(service)
        assert len(await anext(it._send(kafka, await store.next_rows(service, 100, []), namespace))) == 2
        await it.round(service, kafka, namespace)
    await service.close()

    records = await sent(settings)
    assert scores(records, "a") == [1, 2, 1, 2]
    assert [record.value for record in records[:2]] == [record.value for record in records[2:]]


async def test_a_row_that_commits_after_one_with_a_higher_id_is_sent_too(
    settings: Settings, connection: Connection
) -> None:
    """Ids are given out before they commit: who remembers the last id seen would skip it."""
    service, other = await connect(settings, SERVICE), await as_owner(settings.database_url.get_secret_value())
    async with relay(settings) as it, producer(settings) as kafka:
        namespace = await store.installation(service)
        async with other.transaction():
            await append(other, "slow", 1)
            await append(connection, "fast", 1)
            assert await it.round(service, kafka, namespace) == 1
        assert await it.round(service, kafka, namespace) == 1
    await service.close()
    await other.close()

    assert await connection.fetchval("SELECT count(*) FROM outbox") == 0


async def test_a_topic_that_cannot_be_written_to_holds_up_no_other_and_costs_no_lock(
    settings: Settings, connection: Connection
) -> None:
    """It is tried with the others, then alone: longer, together, than the session may be silent."""
    service = await connect(settings, SERVICE)
    await append(connection, "a", 1)
    await connection.execute(
        "INSERT INTO outbox (aggregatetype, aggregateid, payload) VALUES ('no such/topic', 'x', '')"
    )
    await append(connection, "a", 2)
    await store.give_up_when_silent(service, 5)
    async with relay(settings) as it, producer(settings) as kafka:
        namespace = await store.installation(service)
        assert await it.round(service, kafka, namespace) == 2
        assert await it.round(service, kafka, namespace) == 0
    await service.close()

    assert scores(await sent(settings), "a") == [1, 2]
    assert [row[0] for row in await connection.fetch("SELECT aggregateid FROM outbox")] == ["x"]


class Heard(Pulse):
    """Says when it has beaten a few times."""

    def __init__(self) -> None:
        super().__init__(60)
        self.beats, self.several = 0, asyncio.Event()

    def beat(self, loop: str) -> None:
        super().beat(loop)
        self.beats += 1
        if self.beats == 5:
            self.several.set()


async def test_a_relay_that_waits_for_kafka_shows_that_it_lives(
    settings: Settings, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kafka answers only once the relay has shown it several times: once by beginning, the others while it waits."""
    pulse, send = Heard(), Relay._send_in_transaction

    async def late(*arguments: Any) -> None:
        async with asyncio.timeout(60):
            await pulse.several.wait()
        await send(*arguments)

    monkeypatch.setattr(app, "BEAT", 0.01)
    monkeypatch.setattr(Relay, "_send_in_transaction", late)
    await append(connection, "a", 1)
    service = await connect(settings, SERVICE)
    async with relay(settings, pulse) as it, producer(settings) as kafka:
        assert await it.round(service, kafka, await store.installation(service)) == 1
    await service.close()

    assert scores(await sent(settings), "a") == [1]
