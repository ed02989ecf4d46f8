"""Whatever a record holds, decoding answers, and answers as a second, slow reading of the contract does."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from contracts import examples
from contracts.envelope import Event, Refused, decode, instant, judge
from contracts.fields import Data
from contracts.registry import EVENT_TYPES
from contracts.topics import SPONSOR_ACTIVITY, TOPICS, Topic
from tests.support.contract_reading import expected_reason

LATEST = datetime(2027, 1, 1, tzinfo=UTC)
VALID = [each for each in examples.load() if each.reason is None and not each.headers and each.document]

numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(0, 10_001)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
telling = st.sampled_from(
    [
        *EVENT_TYPES,
        *("eventos.sponsor.website_visited.v2", "1.0", "", "x" * 255, "x" * 256, "é" * 255, "hard", "won", "hot"),
        *("2026-10-01T09:30:00Z", "2026-10-01t09:30:00.1234567-23:59", "2026-10-01 09:30:00Z"),
        *("2026-06-30T23:59:60Z", "2027-01-01T00:00:01Z", "0001-01-01T00:00:00+00:01", "2026-10-01"),
        *("3898d190-f9eb-4acc-8cb1-e29c658cda14", "3898D190-F9EB-4ACC-8CB1-E29C658CDA14", "3898d190f9eb4acc"),
        *("0", "12.50", "12.", "1e3", "+1", "EUR", "eur", 0, 1, 10_000, 10_001, -1, 1.0, None, True),
    ]
)
topics = st.sampled_from(list(TOPICS.values()))
ODD_JSON = [
    *("-0", "-1", "1.0", "1E5", "01", "1.", "-", ".5", "+1", "1e400", "1e-400", "5e-324", "1e16", "1e22", "NaN"),
    *("0.30000000000000004", "9007199254740993", "18446744073709551615", "18446744073709551616"),
    *("-9223372036854775808", "-9223372036854775809", "9" * 308, "9" * 309, "1" * 4301, "Infinity", "null", "true"),
    *('"\x01"', '"\x7f"', '"\\u0000"', '"\\ud800"', '"a\\/b"', '"12.50\\n"', '"\ufeff"', '"é"', "'a'", "\ufeff1"),
    *('{"b":1,"a":{"d":1.50,"c":[]}}', '{"a":1,"a":2}', '{"a":1,}', "[1,]", "[" * 249 + "]" * 249, "[" * 252),
]
ODD_BYTES = st.sampled_from([odd.encode() for odd in ODD_JSON])
traced = st.sampled_from([[], [("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")]])


@st.composite
def mutants(draw: st.DrawFn) -> tuple[Topic, dict[str, Any]]:
    """A valid event in which some fields are replaced or missing."""
    chosen = draw(st.sampled_from(VALID))
    event = json.loads(json.dumps(chosen.document))
    for _ in range(draw(st.integers(0, 3))):
        target = draw(st.sampled_from([event, event["data"]] if isinstance(event.get("data"), dict) else [event]))
        field = draw(st.sampled_from([*target, "event_id", "machine", "channel", "unknown"]))
        if draw(st.booleans()):
            target[field] = draw(telling | values)
        else:
            target.pop(field, None)
    return chosen.topic, event


@given(
    topics, st.none() | st.binary() | st.text().map(str.encode), st.lists(st.tuples(st.text(), st.none() | st.binary()))
)
@example(SPONSOR_ACTIVITY, b"[" * 65_536, [])
@example(SPONSOR_ACTIVITY, b'{"a":' * 10_000, [])
@example(SPONSOR_ACTIVITY, b"\\" * 65_536, [])
@example(SPONSOR_ACTIVITY, b'"' + b"\\" * 65_534 + b'"', [("ce_specversion", b"1.0")])
@example(SPONSOR_ACTIVITY, b"9" * 65_536, [("ce_specversion", None)])
def test_decoding_answers_whatever_it_is_given(
    topic: Topic, value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    assert isinstance(decode(topic, value, headers, LATEST), Event | Refused)


@given(mutants(), st.integers(0, 400), st.binary(min_size=1, max_size=3))
def test_decoding_answers_for_events_with_broken_bytes(
    mutant: tuple[Topic, dict[str, Any]], at: int, junk: bytes
) -> None:
    topic, event = mutant
    value = json.dumps(event).encode()

    assert isinstance(decode(topic, value[:at] + junk + value[at + 1 :], [], LATEST), Event | Refused)


@given(mutants())
def test_decoding_agrees_with_a_slow_reading_of_the_contract(mutant: tuple[Topic, dict[str, Any]]) -> None:
    topic, event = mutant

    decoded = decode(topic, json.dumps(event, ensure_ascii=False).encode(), [], LATEST)

    assert (decoded.reason if isinstance(decoded, Refused) else None) is expected_reason(topic, event, LATEST)


@given(mutants(), st.sampled_from(["metadata", "quantity", "sponsor_id", "unknown", "subject", "traceparent"]), traced)
def test_what_is_read_of_odd_json_is_what_would_be_judged(
    mutant: tuple[Topic, dict[str, Any]], field: str, headers: list[tuple[str, bytes]]
) -> None:
    """Also where a second field of the same name takes its place."""
    topic, event = mutant
    inside = isinstance(event.get("data"), dict) and field not in ("subject", "traceparent")
    target = event["data"] if inside else event
    text = json.dumps({**event, "data": {**target, field: "@odd@"}} if inside else {**target, field: "@odd@"})
    again = f'"@odd@", {json.dumps(field)}: {json.dumps(target.get(field))}'

    for odd in ODD_JSON:
        for value in (text.replace('"@odd@"', odd), text.replace('"@odd@"', again).replace('"@odd@"', odd)):
            _require_one_reading(topic, value.encode(), headers)


@given(mutants(), st.integers(0, 400), st.integers(0, 2), st.binary(max_size=3) | ODD_BYTES)
def test_what_is_read_of_broken_bytes_is_what_would_be_judged(
    mutant: tuple[Topic, dict[str, Any]], at: int, cut: int, junk: bytes
) -> None:
    topic, event = mutant
    value = json.dumps(event, ensure_ascii=False).encode()

    _require_one_reading(topic, value[:at] + junk + value[at + cut :], [])


def _require_one_reading(topic: Topic, value: bytes, headers: list[tuple[str, bytes]]) -> None:
    judged, decoded = judge(topic, value, headers, LATEST), decode(topic, value, headers, LATEST)
    assert decoded == judged, value
    assert repr(decoded) == repr(judged), value  # 1, 1.0 and True are equal


@given(mutants())
def test_binary_mode_agrees_with_structured_mode(mutant: tuple[Topic, dict[str, Any]]) -> None:
    topic, event = mutant
    attributes = {name: value for name, value in event.items() if name != "data"}
    if "data" not in event or not all(isinstance(value, str) for value in attributes.values()):
        return
    headers = [("ce_specversion", None), *((f"ce_{name}", value.encode()) for name, value in attributes.items())]

    structured = decode(topic, json.dumps(event).encode(), [], LATEST)

    assert decode(topic, json.dumps(event["data"]).encode(), headers, LATEST) == structured


@given(st.dictionaries(texts, values, max_size=4), st.dictionaries(texts, values, max_size=4), st.randoms())
@example({"a": 2**64}, {"a": 2**64 + 1}, None)
@example({"a": 2**64}, {"a": float(2**64)}, None)
@example({"a": -(2**63) - 1}, {"a": -(2**63) - 2}, None)
@example({"a": "e+", "b": 1e22}, {"a": "e+", "b": 10**22}, None)
def test_content_is_equal_exactly_when_its_json_is(one: dict[str, Any], other: dict[str, Any], random: Any) -> None:
    shuffled = list(one.items())
    if random is not None:
        random.shuffle(shuffled)

    assert _hash(one) == _hash(dict(shuffled), indent=1, ensure_ascii=False)
    assert (_hash(one) == _hash(other)) == (json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True))


@given(
    st.datetimes(timezones=st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))),
    st.text("0123456789", max_size=4),
)
def test_instants_are_read_to_the_microsecond(moment: datetime, beyond: str) -> None:
    written = moment.isoformat(timespec="microseconds")
    found = instant(f"{written[:26]}{beyond}{written[26:]}")

    try:
        assert found == moment.astimezone(UTC)
    except OverflowError:
        assert found is None


@given(st.lists(st.tuples(st.datetimes(), texts, texts), max_size=6))
def test_ranks_order_as_time_source_and_id_do(facts: list[tuple[datetime, str, str]]) -> None:
    data = EVENT_TYPES["eventos.sponsor.note_added.v1"].validate({"sponsor_id": "5f0c7a52-8f3e-4c39-9f0b-0d5a3f5a7c11"})
    events = [
        Event[Data](source, id_, "eventos.sponsor.note_added.v1", time.replace(tzinfo=UTC), data, b"")
        for time, source, id_ in facts
    ]

    by_rank = sorted(events, key=lambda event: event.rank)

    assert by_rank == sorted(events, key=lambda event: (event.time, event.source.encode(), event.id.encode()))


def _hash(extra: dict[str, Any], **style: Any) -> bytes:
    [visited, *_] = [each for each in VALID if each.name == "website_visited"]
    data = {"extra": extra, **visited.document["data"]}
    event = decode(visited.topic, json.dumps({**visited.document, "data": data}, **style).encode(), [], LATEST)
    assert isinstance(event, Event), event
    return event.content_hash
