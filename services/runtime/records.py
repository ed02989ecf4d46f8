"""Records on their way through intake."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeAlias

from aiokafka import ConsumerRecord

from contracts.envelope import Event, Refused

Record: TypeAlias = ConsumerRecord
"""A Kafka record as it was fetched: key and value are bytes or None, `timestamp` is the broker's, in milliseconds."""


_LATEST_STAMP_MS = 253_370_764_800_000
"""The year 9999 begins; a topic that takes its publishers' timestamps may hold anything."""


def appended_at(record: Record) -> datetime:
    """When the broker appended `record`, as far as the calendar goes."""
    return moment(record.timestamp)


def moment(milliseconds: int) -> datetime:
    """The moment that a broker's timestamp means, as far as the calendar goes."""
    return datetime.fromtimestamp(min(max(milliseconds, 0), _LATEST_STAMP_MS) / 1000, UTC)


class Item(NamedTuple):
    """One record, and what decoding made of it."""

    record: Record
    decoded: Event[Any] | Refused


def size_of(records: Iterable[Record]) -> int:
    """The bytes of their keys, values and headers."""
    size = 0
    for record in records:
        size += len(record.key or b"") + len(record.value or b"")
        for name, value in record.headers:
            size += len(name) + len(value or b"")
    return size


LARGE_RECORD = 4096
"""Bytes; a batch that has more to a record weighs more than its records."""


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Consecutive records of one partition, and the offset that they follow: the position before them.

    `items` is what decoding made of the records, where that was done ahead; `to_come` is how many batches, of other
    partitions, the same fetch brought behind this one; `size` is the records' `size_of`.
    """

    partition: int
    records: Sequence[Record]
    follows: int
    items: Sequence[Item] = ()
    to_come: int = 0
    size: int = 0

    @property
    def weight(self) -> int:
        """How many records it counts as where only so many may wait, or share a transaction."""
        return max(len(self.records), self.size // LARGE_RECORD)
