"""From an outbox row to a record: pure."""

from base64 import b64decode
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import orjson

from contracts.names import name_uuid

CONTENT_TYPE = ("content-type", b"application/cloudevents+json; charset=UTF-8")
_PREFIX = "eventos-"
_WHY = {_PREFIX + name for name in ("reason", "detail", "topic", "partition", "offset")}
"""Headers that a dead letter has of us, behind its publisher's own."""


class Row(NamedTuple):
    """A row of the outbox. One with a `type` is a derived event; one without is a record to be sent as it was."""

    id: int
    aggregatetype: str
    aggregateid: str
    type: str | None
    source: str | None
    record_key: bytes | None
    payload: bytes | None
    headers: Sequence[tuple[str, str | None]]
    traceparent: str | None
    created_at: datetime


class Outgoing(NamedTuple):
    """A record on its way: topic without prefix, and Kafka's own parts."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


def outgoing(row: Row, installation: bytes) -> Outgoing:
    """Make the record that `row` stands for; the same row always makes the same record, so a resend keeps its id."""
    if row.source is None:
        headers = [(name, None if value is None else b64decode(value)) for name, value in row.headers]
        return Outgoing(row.aggregatetype, row.record_key, row.payload, headers)
    traced = [("traceparent", row.traceparent.encode())] if row.traceparent else []
    key = row.aggregateid.encode()
    if row.payload is None:
        return Outgoing(row.aggregatetype, key, None, [*traced])
    return Outgoing(row.aggregatetype, key, _cloud_event(row, installation), [CONTENT_TYPE, *traced])


def size_of(record: Outgoing) -> int:
    """The bytes that a record brings along, without Kafka's own."""
    headers = sum(len(name.encode()) + len(value or b"") for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers


def shortened(record: Outgoing, refused: int | None) -> Outgoing:
    """The record, or so much of it as is smaller than what its topic has `refused`, in bytes; None: nothing yet."""
    if refused is None or size_of(record) < refused:
        return record
    shorter = without_value(record)
    return shorter if size_of(shorter) < refused else without_key(record)


def without_value(record: Outgoing) -> Outgoing:
    """The record less its value, for a topic that takes nothing so large; the dead letter's row keeps the whole."""
    return Outgoing(record.topic, record.key, None, [*record.headers, _omitted("value", record.value)])


def without_key(record: Outgoing) -> Outgoing:
    """The record less all that its publisher chose, where that is too large even without the value."""
    why = [(name, value) for name, value in dict(record.headers).items() if name in _WHY]
    left_out = [_omitted("value", record.value), _omitted("key", record.key)]
    return Outgoing(record.topic, None, None, [*why, *left_out])


def _omitted(part: str, was: bytes | None) -> tuple[str, bytes]:
    return f"{_PREFIX}{part}-omitted", str(len(was or b"")).encode()


def _cloud_event(row: Row, installation: bytes) -> bytes:
    time = row.created_at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    envelope = {
        "specversion": "1.0",
        # The time too: a database that failed over without its last rows gives their ids to others.
        "id": name_uuid(installation, f"{row.id} {time}"),
        "source": row.source,
        "type": row.type,
        "time": time,
        "datacontenttype": "application/json",
        **({"traceparent": row.traceparent} if row.traceparent else {}),
        "data": orjson.Fragment(row.payload or b"null"),
    }
    return orjson.dumps(envelope)
