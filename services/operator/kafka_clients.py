"""Kafka clients as the settings ask for them: to publish, and to read without a group."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from services.operator.output import Failure
from services.runtime.kafka import client_options, start
from services.runtime.settings import Settings

LARGEST_REQUEST = 16 * 1024 * 1024
"""Bytes; above every topic's `max.message.bytes`, so that the broker decides, and not we."""


@asynccontextmanager
async def producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    """Open an idempotent producer: a retry never doubles a record, nor changes the order within a partition."""
    client = AIOKafkaProducer(
        **client_options(settings),
        enable_idempotence=True,
        acks="all",
        linger_ms=5,
        max_batch_size=256 * 1024,
        max_request_size=LARGEST_REQUEST,
    )
    try:
        await start(client, settings)
        yield client
    finally:
        await client.stop()


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads topics without a group: it can move nobody's position."""

    consumer: AIOKafkaConsumer
    admin: AIOKafkaAdminClient

    async def ends(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        """The next offset of each partition of `topics`. Raises Failure for a topic that does not exist, KafkaError.

        Waits for partitions that have only just been made, until they have a leader.
        """
        partitions = []
        for described in await self.admin.describe_topics(list(topics)):
            name, numbers = described["topic"], [part["partition"] for part in described["partitions"]]
            if not numbers:
                raise Failure(f"Kafka has no topic {name}", remedy="Run `eventos topics apply`.")
            partitions += [TopicPartition(name, number) for number in sorted(numbers)]
        return dict(await self.consumer.end_offsets(partitions))

    async def starts(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """The first offset that each partition still has."""
        return dict(await self.consumer.beginning_offsets(list(partitions))) if partitions else {}


@asynccontextmanager
async def reader(settings: Settings) -> AsyncIterator[Reader]:
    """Open a reader for the time of a command."""
    async with AsyncExitStack() as cleanup:
        admin = AIOKafkaAdminClient(**client_options(settings))
        cleanup.push_async_callback(admin.close)
        await start(admin, settings)
        consumer = AIOKafkaConsumer(
            **client_options(settings),
            group_id=None,
            enable_auto_commit=False,
            isolation_level="read_committed",
            max_partition_fetch_bytes=LARGEST_REQUEST,
        )
        cleanup.push_async_callback(consumer.stop)
        await start(consumer, settings)
        yield Reader(consumer, admin)
