"""The relay: outbox → Kafka. One relay is active; it sends rows in order, a Kafka transaction at a time, then deletes.

Who holds the lock is active. A relay that was frozen and comes back late has lost the lock, because its silent
session was ended, and is fenced by Kafka, because the next one took over its transactional id: it cannot put an
older value behind a newer one. A crash between sending and deleting sends again, with the same ids, in order.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial

import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    IllegalStateError,
    InvalidProducerEpoch,
    KafkaError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    ProducerClosed,
    ProducerFenced,
)

from services.outbox_relay import store
from services.outbox_relay.domain import Outgoing, Row, outgoing, shortened, size_of, without_key, without_value
from services.outbox_relay.packing import LARGEST_RECORD, LARGEST_SHARED_BATCH, Packed, pack
from services.runtime.database import Connection, Fault, acquire, classify, connect
from services.runtime.kafka import client_options, start
from services.runtime.metrics import RelayMetrics
from services.runtime.service import OBSERVE_INTERVAL, Parts, Service, Tools, repeatedly
from services.runtime.wake import OUTBOX_CHANNEL, Bell

log = structlog.get_logger(__name__)

SILENCE = 20
"""Seconds without a statement after which Postgres takes the lock from a relay; it polls far more often."""
STANDBY_INTERVAL = 2.0
BLOCKED_TOPIC_PAUSE = 10.0
"""Seconds until a topic that could not be written to is tried again."""
LONGEST_REST = 0.25
"""Seconds that it rests at most after a round that was not full: a transaction has its price, however little is in it,
and the broker ends one only a little after it has said so."""
REST_PER_ROW, SHORT_REST = 0.0005, 0.05
"""Seconds that it rests then for each row that it has sent: where much comes, more shares a transaction. Where little
comes it rests for as long as the round took, at most `SHORT_REST`."""

BEAT = 5.0
"""Seconds between signs of life while it waits for Kafka."""
GOODBYE = 3.0
"""Seconds that it waits for Kafka when it is to end. What is left open, the next relay ends by taking over."""

FATAL = (ProducerFenced, InvalidProducerEpoch, OutOfOrderSequenceNumber, ProducerClosed, IllegalStateError)
"""Errors after which a producer is of no more use: another relay has taken over, or its state is lost."""


class Relay:
    """Sends the outbox while it holds the lock; stands by otherwise."""

    def __init__(self, tools: Tools) -> None:
        self._tools, self._settings = tools, tools.settings
        self._metrics = RelayMetrics(tools.metrics.registry)
        self._bell = Bell(tools.settings, SERVICE.name, OUTBOX_CHANNEL)
        self._blocked: dict[str, float] = {}
        self._refused: dict[str, int] = {}
        self._singly: set[str] = set()

    async def run(self) -> None:
        """Relay until cancelled. Whatever Kafka or Postgres break off is begun again from the lock on.

        Raises ConfigurationError when Kafka does not let us in.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._bell.run())
            while True:
                self._tools.pulse.beat("relay")  # who waits for Postgres or Kafka is alive
                try:
                    await self._hold_the_lock()
                except Exception as error:
                    if not isinstance(error, KafkaError) and classify(error) is not Fault.TRANSIENT:
                        raise
                    log.warning("relay_interrupted", error=repr(error))
                if _is_cancelled():  # what Kafka says to a goodbye may stand in its place
                    raise asyncio.CancelledError
                self._metrics.active.set(0)
                await asyncio.sleep(1)

    async def _hold_the_lock(self) -> None:
        connection = await connect(self._settings, SERVICE.name)
        try:
            while not await store.take_over(connection):
                self._tools.pulse.beat("relay")
                await asyncio.sleep(STANDBY_INTERVAL)
            await store.give_up_when_silent(connection, SILENCE)
            await self._lead(connection)
        finally:
            connection.terminate()

    async def _lead(self, connection: Connection) -> None:
        namespace = await store.installation(connection)
        producer = AIOKafkaProducer(
            **client_options(self._settings),
            transactional_id=f"{self._settings.topic_prefix}outbox-relay",
            max_batch_size=LARGEST_SHARED_BATCH,
            max_request_size=LARGEST_RECORD,
            request_timeout_ms=15_000,
        )
        try:
            await start(producer, self._settings)
            log.info("relay_active")
            self._metrics.active.set(1)
            while True:
                began = time.monotonic()
                sent = await self.round(connection, producer, namespace)
                if not sent:
                    await self._bell.wait(self._settings.poll_interval)
                elif sent < self._settings.relay_records:
                    await asyncio.sleep(rest_after(sent, time.monotonic() - began))
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE if _is_cancelled() else None):
                    await producer.stop()

    async def round(self, connection: Connection, producer: AIOKafkaProducer, namespace: bytes) -> int:
        """Send the oldest rows and delete them; return how many were sent."""
        self._tools.pulse.beat("relay")
        now = time.monotonic()
        self._blocked = {topic: until for topic, until in self._blocked.items() if until > now}
        rows = await store.next_rows(connection, self._settings.relay_records, self._blocked)
        if not rows:
            return 0
        sent = 0
        async for some in self._send(producer, rows, namespace):
            # Deleting nothing is a sign of life all the same: what fails takes its time, and silence costs the lock.
            await store.delete_sent(connection, [row.id for row in some])
            self._tools.metrics.event_age.observe("sent", [row.created_at.timestamp() for row in some])
            for topic, count in Counter(row.aggregatetype for row in some).items():
                self._metrics.sent.labels(topic).inc(count)
            sent += len(some)
        return sent

    async def observe(self) -> None:
        """Read the gauges of the outbox."""
        async with acquire(self._tools.pool) as connection:
            pending, oldest = await store.backlog(connection)
        self._metrics.pending.set(pending)
        self._metrics.oldest.set(oldest)

    async def _send(
        self, producer: AIOKafkaProducer, rows: Sequence[Row], namespace: bytes
    ) -> AsyncIterator[Sequence[Row]]:
        """Send all rows in one transaction; where that fails, each topic in its own, so that one cannot hold up all.

        Yields after each transaction the rows that are in Kafka now, none where it failed.
        """
        if await self._succeeds(partial(self._transact, producer, [outgoing(row, namespace) for row in rows])):
            yield rows
            return
        yield []
        by_topic: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            by_topic[row.aggregatetype].append(row)
        for topic, its_rows in by_topic.items():
            records = [outgoing(row, namespace) for row in its_rows]
            if await self._succeeds(partial(self._transact_halving, producer, records)):
                yield its_rows
            else:
                log.error("topic_blocked", topic=topic)
                self._blocked[topic] = time.monotonic() + BLOCKED_TOPIC_PAUSE
                yield []

    async def _succeeds(self, transact: Callable[[], Awaitable[None]]) -> bool:
        try:
            await transact()
        except FATAL:
            raise
        except KafkaError as error:
            log.warning("transaction_failed", error=repr(error))
            return False
        return True

    async def _transact_halving(self, producer: AIOKafkaProducer, records: Sequence[Outgoing]) -> None:
        try:
            await self._transact(producer, records)
        except MessageSizeTooLargeError:
            if len(records) == 1:
                await self._transact_shortened(producer, records[0])
                return
            middle = len(records) // 2
            await self._transact_halving(producer, records[:middle])
            await self._transact_halving(producer, records[middle:])

    async def _transact_shortened(self, producer: AIOKafkaProducer, record: Outgoing) -> None:
        try:
            await self._transact(producer, [without_value(record)])
        except MessageSizeTooLargeError:  # what a publisher compressed may have a key or headers of any size
            await self._transact(producer, [without_key(record)])

    async def _transact(self, producer: AIOKafkaProducer, records: Sequence[Outgoing]) -> None:
        if self._refused:
            records = [shortened(record, self._refused.get(record.topic)) for record in records]
        packed = await pack(producer, records, self._settings.topic_prefix, self._singly)
        sending = asyncio.create_task(self._send_in_transaction(producer, packed))
        try:
            while not (await asyncio.wait([sending], timeout=BEAT))[0]:
                self._tools.pulse.beat("relay")
        except asyncio.CancelledError:
            sending.cancel()
            await asyncio.wait([sending], timeout=GOODBYE)
            raise
        sending.result()

    async def _send_in_transaction(
        self, producer: AIOKafkaProducer, packed: Mapping[TopicPartition, Sequence[Packed]]
    ) -> None:
        async with producer.transaction():
            sending = [self._send_to(producer, *each) for each in packed.items()]
            # All end before the transaction does: what went on would be in the next one.
            ended = await asyncio.gather(*sending, return_exceptions=True)
            for error in filter(None, ended):
                raise error

    async def _send_to(self, producer: AIOKafkaProducer, partition: TopicPartition, batches: Sequence[Packed]) -> None:
        """Send `batches` one after the other, and wait until the broker has them."""
        for packed in batches:
            sent = await producer.send_batch(packed.batch, partition.topic, partition=partition.partition)
            try:
                await sent
            except MessageSizeTooLargeError:
                self._learn_limit(packed)
                raise

    def _learn_limit(self, packed: Packed) -> None:
        """Remember what a broker finds too large: a record, or else a batch that several share.

        After a refusal the sequence numbers of a producer no longer fit; the next one must not begin with the same.
        """
        topic, size = packed.first.topic, size_of(packed.first)
        if packed.is_shared:
            self._singly.add(topic)
        else:
            self._refused[topic] = min(size, self._refused.get(topic, size))


def rest_after(sent: int, took: float) -> float:
    """Seconds to rest after a round that has `sent` so many rows and `took` so many seconds."""
    return min(LONGEST_REST, max(sent * REST_PER_ROW, min(SHORT_REST, took)))


def _is_cancelled() -> bool:
    """Whether who asks is to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _build(tools: Tools) -> Parts:
    relay = Relay(tools)
    return Parts(background=[relay.run, partial(repeatedly, relay.observe, OBSERVE_INTERVAL, tools)])


SERVICE = Service("outbox_relay", _build)
