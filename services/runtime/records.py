"""Records on their way through intake."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from aiokafka import ConsumerRecord

from contracts.envelope import Event, Refused

Record: TypeAlias = ConsumerRecord
"""A Kafka record as it was fetched: key and value are bytes or None, `timestamp` is the broker's, in milliseconds."""


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Consecutive records of one partition, and the offset that they follow: the position before them."""

    partition: int
    records: Sequence[Record]
    follows: int


@dataclass(frozen=True, slots=True)
class Item:
    """One record, and what decoding made of it."""

    record: Record
    decoded: Event[Any] | Refused
