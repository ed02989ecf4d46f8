"""When the same identity again is a duplicate, and when a conflict; and how facts rank."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.envelope import Event, decode
from contracts.fields import Data
from contracts.topics import SPONSOR_ACTIVITY

SPONSOR_ID = "5f0c7a52-8f3e-4c39-9f0b-0d5a3f5a7c11"
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
BIG = "123456789012345678901234567890"


def _event(extra: str = "", **attributes: Any) -> Event[Data]:
    """A visit whose data ends with `extra`, JSON as text."""
    envelope = {
        "specversion": "1.0",
        "id": "1",
        "source": "/crm",
        "type": "eventos.sponsor.website_visited.v1",
        "time": "2026-10-01T09:30:00Z",
        **attributes,
    }
    data = f'{{"sponsor_id": "{SPONSOR_ID}"{extra and ", " + extra}}}'
    event = decode(SPONSOR_ACTIVITY, f'{json.dumps(envelope)[:-1]}, "data": {data}}}'.encode(), [], LATEST)
    assert isinstance(event, Event), event
    return event


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('"a": 1, "b": {"c": 2, "d": 3}', '"b": {"d": 3,\n "c": 2}, "a": 1'),
        ('"a": "é🎟️/"', '"a": "\\u00e9\\ud83c\\udf9f\\ufe0f\\/"'),
        ('"a": 1, "a": 2', '"a": 2'),
        ('"a": 1.50', '"a": 15e-1'),
        ('"a": 100.0', '"a": 1e2'),
        ('"a": 0', '"a": -0'),
        (f'"a": {BIG}, "b": 1', f'"b": 1, "a": {BIG}'),
        ('"a": 1.2345678901234567', '"a": 1.23456789012345670000001'),
        ('"a": 1e300, "b": "e+"', '"b": "e+", "a": 10e299'),
    ],
)
def test_equal_data_is_a_duplicate_however_it_is_written(one: str, other: str) -> None:
    assert _event(one).content_hash == _event(other).content_hash


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("", '"a": null'),
        ('"a": 1', '"a": 1.0'),
        ('"a": 1', '"a": true'),
        ('"a": 1', '"a": "1"'),
        ('"a": 0', '"a": false'),
        ('"a": []', '"a": {}'),
        ('"a": [1, 2]', '"a": [2, 1]'),
        ('"a": "x"', '"a": "X"'),
        ('"a": "é"', '"a": "e\\u0301"'),
        (f'"a": {BIG}', f'"a": {BIG[:-1]}1'),
        (f'"a": {BIG}', f'"a": {BIG}.0'),
        (f'"a": {BIG}', f'"a": "{BIG}"'),
        ('"a": 18446744073709551616', '"a": 18446744073709551617'),
        ('"a": 18446744073709551615', '"a": 18446744073709551616'),
        ('"a": -9223372036854775808', '"a": -9223372036854775809'),
        ('"a": -9223372036854775809', '"a": -9223372036854775810'),
        ('"event_id": null', ""),
        ('"event_id": "3898d190-f9eb-4acc-8cb1-e29c658cda14"', '"event_id": "3898D190-f9eb-4acc-8cb1-e29c658cda14"'),
    ],
)
def test_other_data_is_a_conflict_unknown_fields_included(one: str, other: str) -> None:
    assert _event(one).content_hash != _event(other).content_hash


def test_another_type_or_instant_is_a_conflict_and_extensions_are_not_compared() -> None:
    event = _event()

    assert _event(type="eventos.sponsor.package_viewed.v1").content_hash != event.content_hash
    assert _event(time="2026-10-01T09:30:00.000001Z").content_hash != event.content_hash
    assert _event(time="2026-10-01t11:30:00.0000009+02:00").content_hash == event.content_hash
    assert _event(dataschema="https://example.org", subject="x").content_hash == event.content_hash
    assert len(event.content_hash) == 16


def test_big_integers_are_compared_in_data_alone_and_in_both_modes() -> None:
    structured = _event(f'"a": {BIG}')
    headers = [
        *((f"ce_{name}", getattr(structured, name).encode()) for name in ("id", "source", "type")),
        *(("ce_specversion", b"1.0"), ("ce_time", b"2026-10-01T09:30:00Z")),
    ]
    binary, other = (
        decode(SPONSOR_ACTIVITY, f'{{"a": {number}, "sponsor_id": "{SPONSOR_ID}"}}'.encode(), headers, LATEST)
        for number in (BIG, BIG[:-1] + "1")
    )

    assert isinstance(binary, Event)
    assert isinstance(other, Event)
    assert binary.content_hash == structured.content_hash != other.content_hash
    assert _event(f'"a": {BIG}', subject="x", id="2").content_hash == structured.content_hash


def test_facts_rank_by_time_then_source_then_id() -> None:
    in_order = [
        _event(time="0001-01-01T00:00:00Z", source="z", id="z"),
        _event(time="2026-10-01T09:29:59.999999Z", source="z", id="z"),
        _event(source="/a", id="2"),
        _event(source="/a", id="\x01"),
        _event(source="/a", id="10"),
        _event(source="/a\x01", id="1"),
        _event(source="/ab", id="1"),
        _event(source="/z", id="\uffff"),
        _event(source="/z", id="\U0001f39f"),
        _event(time="2099-12-31T23:59:59Z", source="/", id="1"),
    ]
    in_order.sort(key=lambda event: (event.time, event.source.encode(), event.id.encode()))

    assert sorted(in_order, key=lambda event: event.rank) == in_order
    assert len({event.rank for event in in_order}) == len(in_order)
