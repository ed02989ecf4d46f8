"""From records to batches: which partition, in which order, and what is alone."""

from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import MessageSizeTooLargeError

from services.outbox_relay.domain import Outgoing
from services.outbox_relay.packing import LARGEST_RECORD, LARGEST_SHARED_BATCH, Packed, pack

PARTITIONS = 12


class Offline(AIOKafkaProducer):  # type: ignore[misc]
    """A producer that knows its topics without a broker."""

    async def partitions_for(self, topic: str) -> set[int]:
        """The same for all topics."""
        return set(range(PARTITIONS))


@pytest.fixture
async def producer() -> AsyncIterator[Offline]:
    made = Offline(bootstrap_servers="unused:9092", max_batch_size=LARGEST_SHARED_BATCH)
    yield made
    await made.stop()


def record(key: bytes | None, value: bytes | None = b"1", topic: str = "t") -> Outgoing:
    return Outgoing(topic, key, value, [])


def counts(batches: list[Packed]) -> list[int]:
    return [packed.batch.record_count() for packed in batches]


@pytest.mark.parametrize(
    ("key", "hashed"), [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536)]
)
async def test_a_key_goes_where_every_kafka_client_puts_it(producer: Offline, key: bytes, hashed: int) -> None:
    """By the hashes that Kafka's own client is tested with."""
    (place,) = await pack(producer, [record(key)], "x.")
    assert place == TopicPartition("x.t", (hashed & 0x7FFFFFFF) % PARTITIONS)


async def test_records_of_a_topic_and_key_share_a_batch_and_others_do_not(producer: Offline) -> None:
    packed = await pack(producer, [record(b"21"), record(b"21", topic="u"), record(b"21", None)], "")
    assert {place.topic: counts([*batches]) for place, batches in packed.items()} == {"t": [2], "u": [1]}
    assert [batches[0].first for batches in packed.values()] == [record(b"21"), record(b"21", topic="u")]


async def test_what_has_no_key_goes_to_the_same_place_each_time(producer: Offline) -> None:
    records = [record(None, value) for value in (b"a", b"b", b"c", b"", None)]
    first, second = await pack(producer, records, ""), await pack(producer, records, "")
    assert first.keys() == second.keys()
    assert len(first) > 1


async def test_an_empty_key_is_a_key(producer: Offline) -> None:
    packed = await pack(producer, [record(b"", value) for value in (b"a", b"b", b"c")], "")
    assert [counts([*batches]) for batches in packed.values()] == [[3]]


async def test_a_record_larger_than_a_shared_batch_is_alone_and_keeps_its_place(producer: Offline) -> None:
    records = [record(b"k", value) for value in (b"before", b"x" * (LARGEST_SHARED_BATCH + 1), b"after", b"and after")]
    (batches,) = (await pack(producer, records, "")).values()
    assert counts([*batches]) == [1, 1, 2]
    assert [packed.first for packed in batches] == records[:3]
    assert [packed.is_shared for packed in batches] == [False, False, True]


async def test_records_of_a_topic_that_takes_no_shared_batch_are_alone(producer: Offline) -> None:
    packed = await pack(producer, [record(b"k"), record(b"k"), record(b"k", topic="u")], "", {"t"})
    assert {place.topic: counts([*batches]) for place, batches in packed.items()} == {"t": [1, 1], "u": [1]}


async def test_what_no_broker_is_asked_to_take_is_refused_before_anything_is_sent(producer: Offline) -> None:
    with pytest.raises(MessageSizeTooLargeError, match="t: a record of"):
        await pack(producer, [record(b"k"), record(b"k", b"x" * LARGEST_RECORD)], "")
