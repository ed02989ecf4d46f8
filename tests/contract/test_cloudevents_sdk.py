"""Events made with the CloudEvents Python SDK are read, in both modes and of both generations of its interface."""

from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings import kafka
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1 import http
from cloudevents.v1 import kafka as kafka_before_2

from contracts.envelope import Event, decode
from contracts.fields import Data
from contracts.ticket_sales import PageViewed
from contracts.topics import TICKET_SALES

LATEST = datetime(2026, 12, 1, tzinfo=UTC)
EVENT_ID = "3898d190-f9eb-4acc-8cb1-e29c658cda14"
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ATTRIBUTES: dict[str, Any] = {
    "id": "ü-1",
    "source": "https://example.org/box office",
    "type": "eventos.ticketing.page_viewed.v1",
    "time": datetime(2026, 10, 1, 9, 30, 0, 123456, tzinfo=UTC),
    "datacontenttype": "application/json",
    "traceparent": TRACEPARENT,
    "partitionkey": EVENT_ID,
}
DATA = {"event_id": EVENT_ID, "session_id": "s-1"}


def _decoded(message: Any) -> Event[Data]:
    event = decode(TICKET_SALES, message.value, list(message.headers.items()), LATEST)
    assert isinstance(event, Event), event
    return event


@pytest.mark.parametrize("to_message", [kafka.to_structured, kafka.to_binary])
def test_the_sdk_s_events_are_read(to_message: Any) -> None:
    event = _decoded(to_message(CloudEvent(ATTRIBUTES, DATA), JSONFormat()))

    assert (event.id, event.source, event.time) == (ATTRIBUTES["id"], ATTRIBUTES["source"], ATTRIBUTES["time"])
    assert event.data == PageViewed(**DATA)
    assert event.traceparent == TRACEPARENT


@pytest.mark.parametrize("to_message", [kafka_before_2.to_structured, kafka_before_2.to_binary])
def test_the_sdk_s_events_are_read_from_its_older_interface(to_message: Any) -> None:
    attributes = {**ATTRIBUTES, "time": "2026-10-01T09:30:00.123456+00:00"}

    event = _decoded(to_message(http.CloudEvent(attributes, DATA)))

    assert (event.id, event.source, event.time) == (ATTRIBUTES["id"], ATTRIBUTES["source"], ATTRIBUTES["time"])
    assert event.data == PageViewed(**DATA)


def test_both_modes_make_the_same_event() -> None:
    made = CloudEvent(ATTRIBUTES, DATA)

    assert _decoded(kafka.to_structured(made, JSONFormat())) == _decoded(kafka.to_binary(made, JSONFormat()))
