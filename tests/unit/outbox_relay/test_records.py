"""From a row of the outbox to a record."""

from base64 import b64encode
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import orjson
import pytest

from services.outbox_relay.domain import (
    CONTENT_TYPE,
    Outgoing,
    Row,
    outgoing,
    shortened,
    size_of,
    without_key,
    without_value,
)
from tests.support.facts import NOON

Headers = list[tuple[str, bytes | None]]
INSTALLATION = UUID("6e1f1ad5-5cdd-4b0b-8c57-0c1c0f6f9d1d").bytes
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
EVENT = Row(
    id=7, aggregatetype="lead-scores", aggregateid="s:e", type="eventos.lead_score.changed.v1",
    source="/eventos/lead_scoring", record_key=None, payload=b'{"score":1.50}', headers=[], traceparent=TRACE,
    created_at=NOON + timedelta(microseconds=1),
)  # fmt: skip
LETTER = Row(
    id=8, aggregatetype="dead-letters", aggregateid="", type=None, source=None, record_key=None, payload=None,
    headers=[], traceparent=None, created_at=NOON,
)  # fmt: skip


def envelope(record: Outgoing) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(record.value or b"")
    return found


def test_a_derived_event_is_a_cloudevent_with_its_data_as_it_was_written() -> None:
    record = outgoing(EVENT, INSTALLATION)

    assert (record.topic, record.key) == ("lead-scores", b"s:e")
    assert record.headers == [CONTENT_TYPE, ("traceparent", TRACE.encode())]
    assert (record.value or b"").endswith(b'"data":{"score":1.50}}')
    assert envelope(record) == {
        "specversion": "1.0",
        "id": str(uuid5(UUID(bytes=INSTALLATION), "7 2026-09-01T12:00:00.000001Z")),
        "source": "/eventos/lead_scoring",
        "type": "eventos.lead_score.changed.v1",
        "time": "2026-09-01T12:00:00.000001Z",
        "datacontenttype": "application/json",
        "traceparent": TRACE,
        "data": {"score": 1.5},
    }


def test_a_row_is_always_the_same_record_and_no_other_row_has_its_id() -> None:
    """Nor has a row that was given its number anew, by a database that went back."""
    other_row, other_installation = outgoing(EVENT._replace(id=8), INSTALLATION), outgoing(EVENT, UUID(int=1).bytes)
    later = outgoing(EVENT._replace(created_at=EVENT.created_at + timedelta(microseconds=1)), INSTALLATION)

    assert outgoing(EVENT, INSTALLATION) == outgoing(EVENT, INSTALLATION)
    ids = {envelope(one)["id"] for one in (outgoing(EVENT, INSTALLATION), other_row, other_installation, later)}
    assert len(ids) == 4


def test_an_event_without_a_trace_context_has_none() -> None:
    record = outgoing(EVENT._replace(traceparent=None), INSTALLATION)

    assert record.headers == [CONTENT_TYPE]
    assert "traceparent" not in envelope(record)


def test_an_event_without_data_is_a_tombstone() -> None:
    tombstone = EVENT._replace(type=None, payload=None)

    traced, plain = outgoing(tombstone, INSTALLATION), outgoing(tombstone._replace(traceparent=None), INSTALLATION)

    assert traced == Outgoing("lead-scores", b"s:e", None, [("traceparent", TRACE.encode())])
    assert plain == Outgoing("lead-scores", b"s:e", None, [])


@pytest.mark.parametrize("part", [None, b"", b"\x00\xff"])
def test_a_record_that_is_sent_as_it_was_keeps_every_byte(part: bytes | None) -> None:
    headers: Headers = [("a", b"\xff\x00"), ("a", None), ("a", b""), ("", b"x")]
    kept = [(name, None if value is None else b64encode(value).decode()) for name, value in headers]

    record = outgoing(LETTER._replace(record_key=part, payload=part, headers=kept), INSTALLATION)

    assert record == Outgoing("dead-letters", part, part, headers)


def test_a_record_without_its_value_says_how_large_it_was() -> None:
    record = Outgoing("dead-letters", b"k", b"12345", [("a", b"b")])
    short: Headers = [("a", b"b"), ("eventos-value-omitted", b"5")]

    assert without_value(record) == Outgoing("dead-letters", b"k", None, short)


def test_a_record_without_its_key_keeps_what_was_wrong_with_it_and_nothing_of_its_publishers() -> None:
    """A publisher may use our names: the last of each is ours."""
    headers: Headers = [
        ("a", b"b"),
        ("eventos-reason", b"theirs"),
        ("eventos-reason", b"oversized"),
        ("eventos-offset", b"3"),
    ]
    short: Headers = [
        ("eventos-reason", b"oversized"), ("eventos-offset", b"3"), ("eventos-value-omitted", b"0"),
        ("eventos-key-omitted", b"2"),
    ]  # fmt: skip

    assert without_key(Outgoing("dead-letters", b"kk", None, headers)) == Outgoing("dead-letters", None, None, short)


def test_a_record_is_shortened_to_what_its_topic_has_not_refused() -> None:
    whole = Outgoing("dead-letters", b"k" * 50, b"v" * 100, [("a", b"b")])

    assert size_of(whole) == 152
    assert shortened(whole, 153) is whole
    assert shortened(whole, 152) == without_value(whole)
    assert shortened(whole, 70) == without_key(whole)
