"""CloudEvents 1.0: `decode` turns a Kafka record into an `Event`, or says why it is `Refused`.

Two readers do it. Nearly every record is plain: structured mode, no escapes, nothing wrong. Those are read by msgspec,
in less time. All others are judged, by orjson and pydantic, which have a reason for each fault. Of what both can read
they make the same event (tests/property/test_decoding.py).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import blake2b, sha256
from typing import Any, Generic, Literal, NamedTuple, TypeVar
from uuid import UUID

import msgspec
from pydantic import ValidationError

from contracts.fields import Text, first_fault
from contracts.names import name_uuid
from contracts.refusals import Reason
from contracts.registry import EVENT_TYPES
from contracts.strict_json import NotJson, canonical, is_deep, may_be_rounded, may_overflow, parse, parse_exactly
from contracts.topics import Topic

MAX_VALUE_BYTES = 65_536
MAX_TEXT = 255

_NAMESPACE = UUID("6f0d7e0a-2f0e-5d0b-9a54-3f6f8f1d8c11").bytes
_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_HOUR_MINUTE = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
RFC3339 = re.compile(
    rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[Tt]{_HOUR_MINUTE}:[0-5][0-9](?:\.[0-9]+)?(?:[Zz]|[+-]{_HOUR_MINUTE})"
)
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

_BAD_TIME = "time: must be RFC 3339 with seconds and an offset, such as 2026-10-01T09:30:00Z"

D = TypeVar("D", covariant=True)


class Event(NamedTuple, Generic[D]):
    """An event that obeys its contract.

    `time` is in UTC. `content_hash` (16 bytes) is equal for equal type, instant and data: under one identity,
    which is (source, id), equal hashes are a duplicate and different ones a conflict. `traceparent` is W3C's.
    """

    source: str
    id: str
    type: str
    time: datetime
    data: D
    content_hash: bytes
    traceparent: str | None = None

    @property
    def name(self) -> str:
        """The type's short name: `order_completed` of `eventos.ticketing.order_completed.v1`."""
        return _short_name(self.type)

    @property
    def rank(self) -> bytes:
        """(time, source, id) as bytes that sort as the rank does; it settles every tie."""
        microseconds = (self.time - _BEGINNING) // _MICROSECOND
        return microseconds.to_bytes(8, "big") + f"{self.source}\0{self.id}".encode()

    @property
    def identity(self) -> str:
        """The identity (source, id) in 16 bytes, as 32 hexadecimal digits: what the ledger is keyed by.

        The first half of a SHA-256, as event_identity() in Postgres has it. No string of JSON holds U+0000.
        """
        return sha256(f"{self.source}\0{self.id}".encode()).hexdigest()[:32]

    def uuid(self, kind: str = "") -> str:
        """The id of the row of this `kind` that is made from the event: a UUIDv5 of the event's identity."""
        return name_uuid(_NAMESPACE, f"{kind}\0{self.source}\0{self.id}")


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that is not to be applied, and why; `source`, `id` and `type` as far as they could be read.

    `detail` names the field and the rule, never the value.
    """

    reason: Reason
    detail: str
    source: str | None = None
    id: str | None = None
    type: str | None = None


class _Envelope(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A plain record. None of it is passed over, for msgspec does not look at that closely."""

    specversion: Literal["1.0"]
    id: Text
    source: Text
    type: str
    time: str
    data: dict[str, Any]
    subject: Any = None
    datacontenttype: Any = None
    dataschema: Any = None
    traceparent: Any = None
    tracestate: Any = None


read_envelope = msgspec.json.Decoder(_Envelope).decode
_NOT_PLAIN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError)
"""What msgspec raises; and orjson, of integers beyond 64 bits, which it does not write."""


def decode(
    topic: Topic, value: bytes | None, headers: Sequence[tuple[str, bytes | None]], latest: datetime
) -> Event[Any] | Refused:
    """Read one record of `topic`; `latest` is the latest acceptable time of an event.

    Tells the first failing reason, in the order of `Reason`; those that need a database are tested elsewhere.
    Never raises.
    """
    return _read(topic, value, headers, latest) or judge(topic, value, headers, latest)


def _read(
    topic: Topic, value: bytes | None, headers: Sequence[tuple[str, bytes | None]], latest: datetime
) -> Event[Any] | None:
    """Read a plain record; None for what is not."""
    if value is None or len(value) > MAX_VALUE_BYTES or topic.derived:
        return None
    if b"\\" in value or may_overflow(value) or is_deep(value):
        return None
    by_name = dict(headers) if headers else {}
    if "ce_specversion" in by_name:
        return None
    try:
        envelope = read_envelope(value)
        time = instant(envelope.time)
        event_type = EVENT_TYPES.get(envelope.type)
        if time is None or time > latest or event_type is None or event_type.topic is not topic:
            return None
        data = event_type.read(envelope.data)
        content = canonical([envelope.type, time, envelope.data])
    except _NOT_PLAIN:
        return None
    return Event(
        envelope.source,
        envelope.id,
        envelope.type,
        time,
        data,
        blake2b(content, digest_size=16).digest(),
        _traceparent(envelope.traceparent, by_name),
    )


def judge(
    topic: Topic, value: bytes | None, headers: Sequence[tuple[str, bytes | None]], latest: datetime
) -> Event[Any] | Refused:
    """Read any record, as `decode` does."""
    if value is None:
        return Refused(Reason.NOT_JSON, "value: is null")
    if len(value) > MAX_VALUE_BYTES:
        return Refused(Reason.OVERSIZED, f"value: has {len(value)} bytes, more than {MAX_VALUE_BYTES}")
    try:
        document = parse(value)
    except NotJson as error:
        return Refused(Reason.NOT_JSON, f"value: {error}")

    by_name = dict(headers)
    binary = "ce_specversion" in by_name
    attributes: dict[str, Any]
    if binary:
        attributes, data = _header_attributes(by_name), document
    elif isinstance(document, dict):
        attributes, data = document, document.get("data")
    else:
        return Refused(Reason.INVALID_ENVELOPE, "value: must be a JSON object")
    fault = _envelope_fault(attributes, data)
    time = instant(attributes.get("time"))
    if fault or time is None:
        return _refused(Reason.INVALID_ENVELOPE, fault or _BAD_TIME, attributes)

    type_name = attributes["type"]
    event_type = EVENT_TYPES.get(type_name)
    if event_type is None or event_type.topic is not topic:
        why = "is not known" if event_type is None else f"belongs to the topic {event_type.topic.name}"
        return _refused(Reason.UNKNOWN_TYPE, f"type: {why}", attributes)
    try:
        valid = event_type.validate(data)
    except ValidationError as error:
        return _refused(Reason.INVALID_DATA, first_fault(error), attributes)
    if time > latest:
        return _refused(Reason.TIME_IN_FUTURE, f"time: is after {latest.isoformat()}", attributes)

    content = canonical([type_name, time, data])
    if may_be_rounded(content):
        exact = parse_exactly(value)
        content = canonical([type_name, time, exact if binary else exact["data"]])
    return Event(
        attributes["source"],
        attributes["id"],
        type_name,
        time,
        valid,
        blake2b(content, digest_size=16).digest(),
        _traceparent(attributes.get("traceparent"), by_name),
    )


def instant(text: object) -> datetime | None:
    """The instant, in UTC, that an RFC 3339 text names, digits after the sixth cut; None for other text."""
    if not isinstance(text, str) or RFC3339.fullmatch(text) is None:
        return None
    try:
        moment = datetime.fromisoformat(text.upper())
        return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    except (ValueError, OverflowError):  # 30 February, the year 0, an offset that leaves the years 1 to 9999
        return None


def _envelope_fault(attributes: Mapping[str, Any], data: object) -> str | None:
    if attributes.get("specversion") != "1.0":
        return 'specversion: must be the string "1.0"'
    if not _is_text(attributes.get("id")):
        return f"id: must be a string of 1 to {MAX_TEXT} characters"
    if not _is_text(attributes.get("source")):
        return f"source: must be a string of 1 to {MAX_TEXT} characters"
    if not isinstance(attributes.get("type"), str):
        return "type: must be a string"
    if not isinstance(data, dict):
        return "data: must be a JSON object"
    return None


@cache
def _short_name(type_name: str) -> str:
    return type_name.split(".")[2]


def _header_attributes(headers: Mapping[str, bytes | None]) -> dict[str, Any]:
    """The envelope of binary mode; None stands for what is null, not UTF-8, or holds U+0000."""
    attributes: dict[str, Any] = {}
    for name, value in headers.items():
        if name.startswith("ce_"):
            try:
                text = value.decode() if value is not None else None
            except UnicodeDecodeError:
                text = None
            attributes[name[3:]] = None if text is None or "\0" in text else text
    return attributes


def _traceparent(text: object, headers: Mapping[str, bytes | None]) -> str | None:
    if text is None and (header := headers.get("traceparent")):
        text = header.decode("ascii", "replace")
    return text if isinstance(text, str) and _TRACEPARENT.fullmatch(text) else None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= MAX_TEXT


def _refused(reason: Reason, detail: str, attributes: Mapping[str, Any]) -> Refused:
    known = {name: attributes[name] for name in ("source", "id", "type") if _is_text(attributes.get(name))}
    return Refused(reason, detail, **known)
