"""Kafka clients as the settings ask for them: to publish, and to read without a group."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from services.runtime.kafka import client_options
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
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


@asynccontextmanager
async def reader(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """Open a consumer that belongs to no group: it can move nobody's position."""
    client = AIOKafkaConsumer(
        **client_options(settings),
        group_id=None,
        enable_auto_commit=False,
        isolation_level="read_committed",
        max_partition_fetch_bytes=LARGEST_REQUEST,
    )
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


async def log_ends(client: AIOKafkaConsumer, topics: list[str]) -> Mapping[TopicPartition, int]:
    """The next offset of each partition of those topics that exist. Raises KafkaError.

    Waits for partitions that have only just been made, until they have a leader.
    """
    partitions = []
    for topic in topics:
        numbers = await _partitions(client, topic)
        partitions += [TopicPartition(topic, number) for number in numbers]
    ends: Mapping[TopicPartition, int] = await client.end_offsets(partitions) if partitions else {}
    return ends


async def _partitions(client: AIOKafkaConsumer, topic: str) -> set[int]:
    known = client.partitions_for_topic(topic)
    if known is None:
        await client.topics()
        known = client.partitions_for_topic(topic)
    return known or set()
