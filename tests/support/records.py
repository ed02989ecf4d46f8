"""Records as a broker hands them out, for tests that feed intake without one."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import count
from typing import Any

import orjson
from aiokafka import ConsumerRecord

from contracts.topics import EMAIL_ENGAGEMENT, SPONSOR_ACTIVITY, TICKET_SALES, Topic
from services.runtime.records import Record, RecordBatch
from tests.support.facts import NOON

FAMILIES = {SPONSOR_ACTIVITY: "sponsor", EMAIL_ENGAGEMENT: "email", TICKET_SALES: "ticketing"}
APPENDED = NOON + timedelta(days=30)
"""When the broker appended every record."""
_numbers = count()

Headers = Sequence[tuple[str, bytes | None]]


def event(
    topic: Topic, name: str, *, id: str | None = None, source: str = "/test", minute: float = 0, **data: Any
) -> bytes:
    """Make the value of a record that tells of `name`, which happened `minute` minutes after NOON."""
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": id or f"{next(_numbers):08}",
            "source": source,
            "type": f"eventos.{FAMILIES[topic]}.{name}.v1",
            "time": (NOON + timedelta(minutes=minute)).isoformat(),
            "data": data,
        }
    )


def record(
    value: bytes | None, *, topic: Topic = SPONSOR_ACTIVITY, partition: int = 0, offset: int = 0,
    key: bytes | None = b"key", headers: Headers = (),
) -> Record:  # fmt: skip
    """Make a record of `topic`, under the usual prefix."""
    stamp = int(APPENDED.timestamp() * 1000)
    return ConsumerRecord(
        topic.full_name("eventos."), partition, offset, stamp, 1, key, value, None, 0, 0, tuple(headers)
    )


def batch(partition: int, follows: int, *values: bytes | None, topic: Topic = SPONSOR_ACTIVITY) -> RecordBatch:
    """Make a batch of consecutive records of a partition, the first at the offset that the batch follows."""
    records = [record(value, topic=topic, partition=partition, offset=at) for at, value in enumerate(values, follows)]
    return RecordBatch(partition, records, follows)
