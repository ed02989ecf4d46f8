"""What decoding makes of a record: an event, or the first reason against it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts import envelope, examples, fields
from contracts.email_engagement import EmailRead
from contracts.envelope import MAX_VALUE_BYTES, Event, Refused, decode
from contracts.fields import Data
from contracts.refusals import Reason
from contracts.ticket_sales import OrderCompleted, OrderRefunded
from contracts.topics import EMAIL_ENGAGEMENT, TICKET_SALES, Topic

EVENT_ID = "3898d190-f9eb-4acc-8cb1-e29c658cda14"
LATEST = datetime(2026, 10, 1, 12, tzinfo=UTC)
ORDER = {
    "event_id": EVENT_ID,
    "order_id": "o-1",
    "quantity": 2,
    "amount": "198.5",
    "currency": "EUR",
    "ticket_type": "standard",
}
COMPLETED: dict[str, Any] = {
    "specversion": "1.0",
    "id": "1",
    "source": "/box-office",
    "type": "eventos.ticketing.order_completed.v1",
    "time": "2026-10-01T09:30:00Z",
    "data": ORDER,
}
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def _decode(
    value: Any, headers: Any = (), topic: Topic = TICKET_SALES, latest: datetime = LATEST
) -> Event[Data] | Refused:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return decode(topic, raw, headers, latest)


def _event(value: Any, headers: Any = (), topic: Topic = TICKET_SALES) -> Event[Data]:
    event = _decode(value, headers, topic)
    assert isinstance(event, Event), event
    return event


def _refused(value: Any, headers: Any = (), latest: datetime = LATEST) -> Refused:
    refused = _decode(value, headers, latest=latest)
    assert isinstance(refused, Refused), refused
    return refused


def test_an_event_is_what_its_record_says() -> None:
    event = _event(COMPLETED)

    assert (event.source, event.id, event.type) == ("/box-office", "1", "eventos.ticketing.order_completed.v1")
    assert event.name == "order_completed"
    assert event.time == datetime(2026, 10, 1, 9, 30, tzinfo=UTC)
    assert isinstance(event.data, OrderCompleted)
    assert (event.data.quantity, event.data.amount, event.data.sponsor_id) == (2, "198.5", None)
    assert event.data.partition_key == EVENT_ID


def test_the_first_failing_reason_is_told() -> None:
    """A record that breaks every rule is mended one rule at a time, in the order in which they are tested."""
    latest = datetime(2026, 1, 1, tzinfo=UTC)
    worst = b"\xef\xbb\xbf" + b"[]".ljust(MAX_VALUE_BYTES)
    told = [
        _refused(worst, latest=latest),
        _refused(worst[:MAX_VALUE_BYTES], latest=latest),
        _refused([], latest=latest),
        _refused({**COMPLETED, "id": "", "type": "eventos.ticketing.x.v1", "data": {}}, latest=latest),
        _refused({**COMPLETED, "type": "eventos.ticketing.x.v1", "data": {}}, latest=latest),
        _refused({**COMPLETED, "data": {}}, latest=latest),
        _refused(COMPLETED, latest=latest),
    ]

    assert [refused.reason for refused in told] == [
        Reason.OVERSIZED,
        Reason.NOT_JSON,
        Reason.INVALID_ENVELOPE,
        Reason.INVALID_ENVELOPE,
        Reason.UNKNOWN_TYPE,
        Reason.INVALID_DATA,
        Reason.TIME_IN_FUTURE,
    ]


def test_the_latest_time_is_still_accepted() -> None:
    value = {**COMPLETED, "time": "2026-10-01T12:00:00.000000999Z"}

    assert isinstance(_decode(value), Event)
    assert _refused(value, latest=LATEST - timedelta(microseconds=1)).reason is Reason.TIME_IN_FUTURE


def test_a_refusal_names_the_event_as_far_as_it_could_be_read() -> None:
    assert _refused({**COMPLETED, "data": {}}) == Refused(
        Reason.INVALID_DATA, "data.event_id: is required", "/box-office", "1", COMPLETED["type"]
    )
    nameless = _refused({**COMPLETED, "source": "", "id": 7, "type": "x" * 256})
    assert (nameless.source, nameless.id, nameless.type) == (None, None, None)
    assert _refused(b"{") == Refused(Reason.NOT_JSON, _refused(b"{").detail)


def test_a_refusal_says_which_field_and_why_but_never_what_it_held() -> None:
    told = _refused({**COMPLETED, "data": {**ORDER, "currency": "anna@example.org", "ticket_type": 5}})

    assert told.detail == 'data.currency: must be three capital letters, such as "EUR"'


def test_ids_are_read_in_lower_case() -> None:
    event = _event({**COMPLETED, "data": {**ORDER, "event_id": EVENT_ID.upper()}})

    assert isinstance(event.data, OrderCompleted)
    assert event.data.event_id == EVENT_ID


@pytest.mark.parametrize(
    ("written", "cents"),
    [("0", 0), ("7", 700), ("7.5", 750), ("7.05", 705), ("0.29", 29), ("0012.10", 1210), ("9999999999.99", 10**12 - 1)],
)
def test_money_is_counted_in_hundredths_exactly(written: str, cents: int) -> None:
    completed = _event({**COMPLETED, "data": {**ORDER, "amount": written}}).data
    refund = {**ORDER, "refunded_quantity": 0, "refunded_amount": written}
    refunded = _event({**COMPLETED, "type": "eventos.ticketing.order_refunded.v1", "data": refund}).data

    assert isinstance(completed, OrderCompleted)
    assert isinstance(refunded, OrderRefunded)
    assert (completed.amount_cents, refunded.refunded_cents) == (cents, cents)


@pytest.mark.parametrize(("given", "machine"), [({}, False), ({"machine": None}, False), ({"machine": True}, True)])
def test_an_open_is_a_person_s_unless_it_says_otherwise(given: dict[str, Any], machine: bool) -> None:
    value = {**COMPLETED, "type": "eventos.email.opened.v1", "data": {"message_id": "m", **given}}

    opened = _event(value, topic=EMAIL_ENGAGEMENT).data

    assert isinstance(opened, EmailRead)
    assert opened.machine is machine


@pytest.mark.parametrize(
    "headers",
    [
        [("content-type", b"text/plain")],
        [("ce_id", b"other"), ("ce_type", b"\xff")],
        [("CE_SPECVERSION", b"1.0")],
    ],
)
def test_without_ce_specversion_headers_say_nothing(headers: Any) -> None:
    assert _event(COMPLETED, headers) == _event(COMPLETED)


def _binary(**more: Any) -> list[tuple[str, Any]]:
    attributes = {f"ce_{name}": text.encode() for name, text in COMPLETED.items() if name != "data"}
    return list({**attributes, **more}.items())


def test_binary_mode_makes_the_same_event_as_structured_mode() -> None:
    assert _event(ORDER, _binary()) == _event(COMPLETED)


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type", "time"])
@pytest.mark.parametrize("value", [None, b"\xff", b"a\0", b""])
def test_an_attribute_of_binary_mode_must_be_text(name: str, value: bytes | None) -> None:
    refused = _refused(ORDER, _binary(**{f"ce_{name}": value}))

    expected = Reason.UNKNOWN_TYPE if (name, value) == ("type", b"") else Reason.INVALID_ENVELOPE
    assert refused.reason is expected


@pytest.mark.parametrize("value", [None, b"\xff", b"a\0"])
def test_extensions_of_binary_mode_are_nobody_s_business(value: bytes | None) -> None:
    assert _event(ORDER, _binary(ce_extension=value, ce_traceparent=value)) == _event(COMPLETED)


def test_trace_context_is_taken_from_the_extension_else_from_the_record_s_header() -> None:
    other = TRACEPARENT.replace("4", "5")
    header = [("traceparent", TRACEPARENT.encode())]

    assert _event(COMPLETED).traceparent is None
    assert _event(COMPLETED, header).traceparent == TRACEPARENT
    assert _event({**COMPLETED, "traceparent": other}, header).traceparent == other
    assert _event(ORDER, _binary(ce_traceparent=other.encode())).traceparent == other


@pytest.mark.parametrize("nonsense", [7, None, "", "00-abc", TRACEPARENT + "\n", {"a": 1}])
def test_trace_context_that_is_none_is_dropped(nonsense: object) -> None:
    assert _event({**COMPLETED, "traceparent": nonsense}).traceparent is None


def test_rows_made_from_an_event_have_ids_of_their_own_that_stay() -> None:
    event = _event(COMPLETED)

    assert event.uuid() == "7b3a28a0-eef5-51c0-adaf-551b139aba30"
    assert event.uuid("sponsorship") != event.uuid() == _event({**COMPLETED, "data": {**ORDER, "quantity": 3}}).uuid()
    assert event.uuid() != event._replace(source="/box", id="-office1").uuid()


def test_only_records_that_are_not_plain_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Binary mode, extensions, escapes, long integers, ids in capitals, and null for false take the longer way."""
    judged: list[bytes | None] = []
    monkeypatch.setattr(envelope, "judge", lambda topic, value, headers, latest: judged.append(value))
    valid = [each for each in examples.load() if each.reason is None and not each.topic.derived]

    for each in valid:
        decode(each.topic, each.value, each.headers, datetime(2027, 1, 1, tzinfo=UTC))

    assert {each.name for each in valid if each.value in judged} == {
        *("website_visited_binary", "sent_binary", "page_viewed_binary"),
        *("website_visited_traced", "website_visited_with_nulls", "opened_machine_null"),
        *("escaped_backslash_before_u0000", "integer_beyond_64_bits"),
    }
    assert len(judged) == 8 < len(valid) / 2


def test_so_many_uuids_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "MOST_UUIDS", 10)
    uuids = [str(UUID(int=n)) for n in range(100)]

    assert [fields.are_lower_uuids([uuid, None]) for uuid in uuids] == [True] * 100
    assert not fields.are_lower_uuids([uuids[0], "3898D190-f9eb-4acc-8cb1-e29c658cda14"])
    assert not fields.are_lower_uuids(["x"])
    assert len(fields._LOWER_UUIDS) < 20
