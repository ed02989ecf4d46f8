"""A publisher of unique events that keeps going, whatever becomes of the broker, and remembers what it was promised."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from services.operator.lines import Record, read_record
from services.runtime.kafka import client_options
from services.runtime.settings import Settings
from tests.support.season import _identity as identity_of

Place = tuple[str, int, int]
"""Topic without prefix, partition and offset."""
_TICK = 0.05


def unique(records: Iterable[Mapping[str, Any]]) -> list[Record]:
    """The records less those whose identity came before: what stands must not depend on which arrives first."""
    seen: set[object] = set()
    kept = []
    for place, record in enumerate(records):
        identity = identity_of(dict(record), place)
        if identity not in seen:
            seen.add(identity)
            kept.append(read_record(json.dumps(record).encode()))
    return kept


class Publisher:
    """Publishes records at a steady rate, each until the broker acknowledges it.

    Not idempotent, so that it outlives any outage: what is sent again may stand in Kafka twice, as a duplicate.
    """

    def __init__(self, settings: Settings, records: Sequence[Record], rate: float) -> None:
        self._settings, self._waiting, self._rate = settings, list(reversed(records)), rate
        self._stopping, self._ended = asyncio.Event(), asyncio.Event()
        self.kept: dict[Place, Record] = {}
        """What was acknowledged, and where."""

    async def run(self) -> None:
        """Publish until stopped, and a begun piece to its end. Raises IndexError when there is nothing left to say."""
        producer = AIOKafkaProducer(
            **client_options(self._settings), acks="all", request_timeout_ms=5000, retry_backoff_ms=200
        )
        try:
            await producer.start()
            await self._publish(producer)
        finally:
            self._ended.set()
            await producer.stop()

    async def _publish(self, producer: AIOKafkaProducer) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while not self._stopping.is_set():
            piece = [self._waiting.pop() for _ in range(max(1, round(self._rate * _TICK)))]
            await self._deliver(producer, piece)
            due = max(due + _TICK, loop.time() - 1)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), max(0.0, due - loop.time()))

    async def stop(self) -> None:
        """Begin no further piece, and wait until what was begun is acknowledged."""
        self._stopping.set()
        await self._ended.wait()

    async def _deliver(self, producer: AIOKafkaProducer, piece: Sequence[Record]) -> None:
        while piece:
            sent = await asyncio.gather(*(self._send(producer, record) for record in piece))
            piece = [record for record, done in zip(piece, sent, strict=True) if not done]
            if piece:
                await asyncio.sleep(0.2)

    async def _send(self, producer: AIOKafkaProducer, record: Record) -> bool:
        name = record.topic.full_name(self._settings.topic_prefix)
        try:
            if record.key is None and record.value is None:
                return await self._send_nothing(producer, name, record)
            partition = 0 if record.key is None else None
            sent = await producer.send_and_wait(name, record.value, record.key, partition, None, list(record.headers))
        except KafkaError:
            return False
        self.kept[record.topic.name, sent.partition, sent.offset] = record
        return True

    async def _send_nothing(self, producer: AIOKafkaProducer, name: str, record: Record) -> bool:
        batch = producer.create_batch()
        batch.append(key=None, value=None, timestamp=None, headers=list(record.headers))
        sent = await (await producer.send_batch(batch, name, partition=0))
        self.kept[record.topic.name, sent.partition, sent.offset] = record
        return True


@asynccontextmanager
async def publishing(settings: Settings, records: Sequence[Record], rate: float) -> AsyncIterator[Publisher]:
    """Let a publisher go on for the time of the block."""
    publisher = Publisher(settings, records, rate)
    running = asyncio.create_task(publisher.run())
    try:
        yield publisher
    finally:
        await publisher.stop()
        await running
