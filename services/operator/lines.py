"""Lines of a JSONL file as Kafka records: what `publish`, `check` and `simulate` read."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from contracts.registry import EVENT_TYPES
from contracts.topics import ATTENDEE_QUESTIONS, EMAIL_ENGAGEMENT, SPONSOR_ACTIVITY, TICKET_SALES, Topic
from services.operator.output import Failure

INPUTS = {topic.name: topic for topic in (SPONSOR_ACTIVITY, EMAIL_ENGAGEMENT, TICKET_SALES, ATTENDEE_QUESTIONS)}
"""The topics that publishers publish to, by name."""

_MEMBERS = {"topic", "value", "key", "headers"}


class NoRecord(ValueError):
    """A line that makes no record: the message says why."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is to be published: bytes as they will stand in Kafka."""

    topic: Topic
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


def numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a file that are not blank, with their numbers from 1. Raises Failure if it is unreadable."""
    try:
        file: BinaryIO
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line
    except OSError as error:
        raise Failure(f"{path} cannot be read", error.strerror or str(error)) from None


def read_record(line: bytes) -> Record:
    """Make a record of one line; its value is not judged here.

    A line is `{"topic": …, "value": object or text, "key"?, "headers"?}`, or an event by itself, whose topic is found
    by its type and whose value is the line as it stands. Raises NoRecord.
    """
    try:
        parsed = json.loads(line)
    except ValueError as error:
        raise NoRecord(f"not JSON: {error}") from None
    if not isinstance(parsed, dict):
        raise NoRecord("not a JSON object")
    if "specversion" in parsed and "value" not in parsed:
        return Record(_topic_by_type(parsed.get("type")), None, line.strip())
    if unknown := parsed.keys() - _MEMBERS:
        raise NoRecord(f"unknown member {min(unknown)!r}: a line has topic, value, key and headers, or is an event")
    if "value" not in parsed:
        raise NoRecord("value is missing")
    return Record(
        _topic_by_name(parsed.get("topic")),
        _as_bytes("key", parsed.get("key")),
        _value(parsed["value"]),
        _headers(parsed.get("headers")),
    )


def _topic_by_name(name: Any) -> Topic:
    topic = INPUTS.get(name) if isinstance(name, str) else None
    if topic is None:
        raise NoRecord(f"topic {name!r} is not one of {', '.join(INPUTS)}")
    return topic


def _topic_by_type(type_: Any) -> Topic:
    event_type = EVENT_TYPES.get(type_) if isinstance(type_, str) else None
    if event_type is None or event_type.topic.name not in INPUTS:
        raise NoRecord(f"no input topic takes events of type {type_!r}")
    return event_type.topic


def _value(value: Any) -> bytes | None:
    """Take text as it is (lone surrogates make invalid UTF-8, which is then refused as such), else write JSON."""
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


def _as_bytes(member: str, text: Any) -> bytes | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise NoRecord(f"{member} must be text")
    return text.encode("utf-8", "surrogatepass")


def _headers(headers: Any) -> tuple[tuple[str, bytes | None], ...]:
    """Read an object of texts, or, where a name comes twice, a list of pairs."""
    pairs = list(headers.items()) if isinstance(headers, dict) else headers or []
    if not isinstance(pairs, list) or not all(_is_header(pair) for pair in pairs):
        raise NoRecord("headers must be an object of texts, or a list of pairs")
    return tuple((name, _as_bytes(name, text)) for name, text in pairs)


def _is_header(pair: Any) -> bool:
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        return False
    return isinstance(pair[0], str) and isinstance(pair[1], str | None)
