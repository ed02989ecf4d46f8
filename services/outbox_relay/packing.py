"""From records to the batches of a transaction: each partition's own, in order.

Packed here, because a client that is handed single records does for each of them what can be done once for a batch.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder

from services.outbox_relay.domain import Outgoing

LARGEST_RECORD = 8 * 1024 * 1024
LARGEST_SHARED_BATCH = 64 * 1024
"""Bytes; a larger record is alone in its batch."""
REMEMBERED_KEYS = 20_000

_partitioner = DefaultPartitioner()


class Packed(NamedTuple):
    """A batch, and the first record in it."""

    batch: BatchBuilder
    first: Outgoing

    @property
    def is_shared(self) -> bool:
        """Whether there is more than one record in it."""
        return bool(self.batch.record_count() > 1)


async def pack(
    producer: AIOKafkaProducer, records: Sequence[Outgoing], prefix: str, singly: Collection[str] = ()
) -> Mapping[TopicPartition, Sequence[Packed]]:
    """Put `records` into batches, in their order, those of the topics `singly` each into its own; topics get `prefix`.

    Raises MessageSizeTooLargeError for a record that no broker is asked to take, and KafkaError for a topic that is
    not there.
    """
    partitions = {topic: await _partitions(producer, prefix + topic) for topic in {record.topic for record in records}}
    packed: defaultdict[TopicPartition, list[Packed]] = defaultdict(list)
    for record in records:
        # What has no key may be anywhere, but sent again it is where it was.
        key = (record.value or b"") if record.key is None else record.key
        partition = _partition_of(key, partitions[record.topic])
        batches = packed[TopicPartition(prefix + record.topic, partition)]
        if not batches or record.topic in singly or not _append(batches[-1].batch, record):
            batches.append(Packed(producer.create_batch(), record))
            _append(batches[-1].batch, record)
            if batches[-1].batch.size() > LARGEST_RECORD:
                raise MessageSizeTooLargeError(f"{record.topic}: a record of {batches[-1].batch.size()} bytes")
    return packed


async def _partitions(producer: AIOKafkaProducer, topic: str) -> tuple[int, ...]:
    return tuple(sorted(await producer.partitions_for(topic)))


@lru_cache(maxsize=REMEMBERED_KEYS)
def _partition_of(key: bytes, partitions: tuple[int, ...]) -> int:
    """The partition that every Kafka client puts `key` into. Its hash takes Python long, and keys come again."""
    partition: int = _partitioner(key, partitions, partitions)
    return partition


def _append(batch: BatchBuilder, record: Outgoing) -> bool:
    """Append `record` where it fits, and whatever its size where it is the first."""
    return batch.append(timestamp=None, key=record.key, value=record.value, headers=record.headers) is not None
