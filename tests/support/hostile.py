"""What a publisher that is broken, or means harm, may send: values, and whole records, made from a seed."""

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any
from zlib import compress

from contracts.topics import Topic
from tests.support.records import FAMILIES, Headers

INJECTIONS = (
    "'; DROP TABLE sponsors; --",
    '"; DELETE FROM events; --',
    "$1); TRUNCATE outbox; --",
    "$$; SELECT pg_sleep(60); $$",
    "\\'; COPY events TO PROGRAM 'id'; --",
    "{event_id}",
    "%(sponsor)s %s {0.__class__}",
    "${jndi:ldap://nowhere.invalid/a}",
    "<script>alert(1)</script>",
    "[red]markup[/red] [link=file:///etc/passwd]x[/link]",
    "../../../../etc/passwd",
    "a\r\nX-Injected: 1\r\n\r\n",
    '=HYPERLINK("http://nowhere.invalid")',
    "\x1b[2J\x1b]0;title\x07",
    "NULL",
    ":service",
)
"""Texts that mean something to whoever takes them for more than text; each is a valid text of a contract."""
ODD_TEXTS = (
    *("", " ", "x" * 255, "x" * 256, "😀" * 255, "é" * 255, "e\u0301" * 127, "\u202eright to left", "\ufeff", "\u2028"),
    *("\ufffd", "\uffff", "\U0010ffff", "\x7f", "\x01", "İı", "ﬃ", "１２３", "０" * 36, "true", "null", "NaN", "0x10"),
    *("a" * 60_000, "\\" * 255, '"' * 255, "{}" * 100, "%00", "\\u0000", "\t\n\r", "\0", "a\0b"),
)
ODD_NUMBERS = (
    *("0", "-0", "0.0", "-1", "1e0", "1E+2", "2147483648", "9223372036854775807", "9223372036854775808", "1e308"),
    *("-1e308", "1e309", "1e-400", "5e-324", "0.1" + "0" * 400 + "1", "1" * 300, "9" * 5000, "1e99999", "01", "+1"),
    *(
        "1.",
        ".5",
        "1e",
        "0x1F",
        "1_000",
        "NaN",
        "Infinity",
        "-Infinity",
        "18446744073709551616",
        "1.7976931348623159e308",
    ),
)
"""As they stand in JSON, which some of them are not."""
_MOMENTS = (
    *("0001-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2026-02-30T00:00:00Z"),
    *("2025-10-01T00:00:00." + "9" * 5000 + "Z", "2025-10-01T00:00:00+23:59", "2025-10-01T00:00:00−01:00"),
    *("2025-10-01T00:00:00Z ", "٢٠٢٥-10-01T00:00:00Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-23:59"),
)
_TYPES = (
    "eventos.sponsor.note_added.v1",
    "eventos.email.sent.v1",
    "eventos.ticketing.page_viewed.v1",
    "",
    "a" * 60_000,
)
_STAMPS = (-(2**63), -1, 0, 1, 253_402_300_800_000, 2**63 - 1)
"""What the broker's stamp may be, in milliseconds, of a topic that takes its publishers' clocks."""


@dataclass(frozen=True)
class Sent:
    """A record as it is published; `stamp` is None for the broker's own."""

    value: bytes | None
    key: bytes | None
    headers: Headers = ()
    stamp: int | None = None


class Fuzz:
    """Makes records of one topic from valid events of it. The same seed and events make the same records."""

    def __init__(self, seed: int, topic: Topic, valid: list[dict[str, Any]]) -> None:
        self._rng, self._topic, self._valid = Random(seed), topic, valid
        self._made = 0

    def record(self) -> Sent:
        """Make the next record."""
        self._made += 1
        rng = self._rng
        ways: tuple[tuple[Callable[[], Sent], int], ...] = (
            (self._changed_bytes, 4), (self._changed_fields, 6), (self._odd_json, 4), (self._odd_mode, 4),
            (self._junk, 2),
        )  # fmt: skip
        made = rng.choices([way for way, _ in ways], [weight for _, weight in ways])[0]()
        stamp = rng.choice(_STAMPS) if rng.random() < 0.03 else None
        key = rng.choice([None, b"", b"\x00\xff", b"k" * 5000, b"key"]) if rng.random() < 0.2 else made.key
        return Sent(made.value, key, made.headers, stamp)

    def _event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(json.dumps(self._rng.choice(self._valid)))
        if self._rng.random() < 0.9:  # the others are duplicates and conflicts of each other
            event["id"] = f"fuzz-{self._made}"
        return event

    def _sent(self, text: str, headers: Headers = ()) -> Sent:
        return Sent(text.encode("utf-8", "surrogatepass"), b"key", headers)

    def _changed_bytes(self) -> Sent:
        """A valid event with some bytes replaced, missing, doubled, or cut off."""
        rng, value = self._rng, bytearray(json.dumps(self._event(), ensure_ascii=False).encode())
        for _ in range(rng.randint(1, 4)):
            at, end = sorted(rng.choices(range(len(value) + 1), k=2))
            change = rng.randrange(5)
            if change == 0:
                value[at : at + 1] = rng.randbytes(rng.randint(1, 3))
            elif change == 1:
                del value[at : min(end, at + 40)]
            elif change == 2:
                value[at:at] = value[at : min(end, at + 200)]
            elif change == 3:
                value[at:at] = rng.choice(
                    [b'"', b"{", b"}", b"[", b"]", b"\\", b"\x00", b"\\u0000", b"\\ud800", b"\xc0\x80", b"//"]
                )
            else:
                del value[max(at, 1) :]
        return Sent(bytes(value), b"key")

    def _changed_fields(self) -> Sent:
        """An event whose members have other values, other names, or are missing."""
        event = self._event()
        raw: dict[str, str] = {}
        for _ in range(self._rng.randint(1, 3)):
            data = event.get("data")
            target = self._rng.choice([event, data, data] if isinstance(data, dict) else [event])
            name = self._rng.choice([*target, "event_id", "sponsor_id", "metadata", "url", "channel", "amount", "data"])
            change = self._rng.randrange(8)
            if change == 0:
                target.pop(name, None)
            elif change == 1:
                placeholder = f"@{len(raw)}@"
                raw[json.dumps(placeholder)] = self._rng.choice(ODD_NUMBERS)
                target[name] = placeholder
            elif change == 2:
                target[name] = self._rng.choice(_MOMENTS + _TYPES)
            else:
                target[name] = self._value(3)
        text = json.dumps(event, ensure_ascii=self._rng.random() < 0.3)
        for placeholder, number in raw.items():
            text = text.replace(placeholder, number)
        return self._sent(text)

    def _value(self, depth: int) -> Any:
        rng, kind = self._rng, self._rng.randrange(9 if depth else 6)
        if kind < 2:
            return rng.choice(INJECTIONS)
        if kind < 4:
            return rng.choice(ODD_TEXTS)
        if kind == 4:
            return rng.choice([None, True, False, 0, -1, 1.5, 10_001, 2**63, -(2**64), 10**30])
        if kind == 5:
            return "".join(
                chr(rng.choice([rng.randrange(1, 0xD800), rng.randrange(0xE000, 0x110000)])) for _ in range(9)
            )
        if kind == 6:
            return [self._value(depth - 1) for _ in range(rng.randrange(4))]
        return {rng.choice(INJECTIONS + ODD_TEXTS): self._value(depth - 1) for _ in range(rng.randrange(4))}

    def _odd_json(self) -> Sent:
        """JSON that is deep, wide, long or strange, around or inside a valid event."""
        rng, event = self._rng, self._event()
        deep = rng.choice([10, 240, 247, 248, 249, 250, 251, 260, 500, 1000, 1020, 1025, 20_000])
        wide = rng.choice([10, 1000, 6000])
        inside = rng.choice(
            [
                "[" * deep + "]" * deep,
                '{"a":' * deep + "1" + "}" * deep,
                "{" + ",".join(['"a":1'] * wide) + "}",
                "{" + ",".join(f'"{n}":{{}}' for n in range(wide)) + "}",
                "[" + ",".join(rng.choices(ODD_NUMBERS[:13], k=wide)) + "]",
                '"' + rng.choice(['\\"', "\\\\", "\\u00e9", "\\\\u0000", "\\ud83d\\ude00", "\\ud83d"]) * wide + '"',
                "0." + "1" * wide * 6,
                "1e" + "0" * wide * 6 + "1",
                rng.choice(ODD_NUMBERS),
            ]
        )
        if rng.random() < 0.2:
            return self._sent(inside)
        if isinstance(event["data"], dict):
            event["data"][rng.choice(["metadata", "anything", "url", "quantity"])] = "@"
        text = json.dumps(event, ensure_ascii=False).replace('"@"', inside, 1)
        if rng.random() < 0.3:  # a member told twice: the last counts
            text = text[:-1] + "," + rng.choice(['"id":1', '"data":null', f'"id":"{"i" * 255}"', '"type":"x"']) + "}"
        return self._sent(text)

    def _odd_mode(self) -> Sent:
        """CloudEvents in binary mode, in batch mode, in both, or with attributes that are not as they should be."""
        rng, event = self._rng, self._event()
        data = json.dumps(event.pop("data"))
        headers: list[tuple[str, bytes | None]] = [(f"ce_{name}", str(text).encode()) for name, text in event.items()]
        headers.append(
            ("content-type", rng.choice([b"application/json", b"application/cloudevents+json", b"text/xml"]))
        )
        change = rng.randrange(10)
        if change == 9:
            headers += [(rng.choice(INJECTIONS + ODD_TEXTS), b"x"), ("na\x00me", b"\x00"), ("na\x00me", None)]
        elif change == 0:
            headers[rng.randrange(len(headers))] = (rng.choice(["ce_id", "ce_time", "ce_specversion"]), None)
        elif change == 1:
            headers.append((rng.choice(["ce_id", "ce_source", "ce_type", "ce_data", "ce_"]), rng.randbytes(9)))
        elif change == 2:
            headers = [(name.upper(), value) for name, value in headers]
        elif change == 3:
            headers += [(f"ce_{n}", b"x" * 50) for n in range(2000)]
        elif change == 4:
            headers += [("traceparent", rng.choice([b"00-" + b"0" * 32, b"\xff", b"", b"00-" + b"f" * 60_000]))]
        elif change == 5:
            return self._sent(json.dumps([event, event]), headers[-1:])
        elif change == 6:
            return self._sent(json.dumps({**event, "data_base64": b64encode(data.encode()).decode()}), headers)
        elif change == 7:
            odd = {"datacontenttype": "text/xml", "dataschema": 7, "subject": None, "specversion": "0.3"}
            return self._sent(json.dumps({**event, **dict([rng.choice(list(odd.items()))]), "data": json.loads(data)}))
        return self._sent(data, headers)

    def _junk(self) -> Sent:
        rng, event = self._rng, json.dumps(self._event())
        junk = (
            *(None, b"", b" ", b"--", b"null", b"0", b"\x00" * 100, rng.randbytes(rng.randrange(2000))),
            *(b"[" * 65_536, b'{"a":' * 13_000, b"9" * 65_536, b"x" * 65_537, b" " * 65_530 + b"{}"),
            *(b"\\" * 65_536, b'"' + b"\\" * 65_534 + b'"', b"\xef\xbb\xbf" + event.encode(), event.encode("utf-16")),
            *(
                event.encode("latin-1", "replace"),
                compress(event.encode()),
                event.encode() * 2,
                event.encode() + b"\x00",
            ),
        )
        return Sent(rng.choice(junk), b"key")


def neighbour(topic: Topic, id: str, sponsor: str, event: str) -> bytes:
    """A plain valid event of `topic`."""
    name, data = {
        "sponsor": ("website_visited", {"sponsor_id": sponsor, "event_id": event}),
        "email": ("sent", {"message_id": id, "sponsor_id": sponsor, "event_id": event}),
        "ticketing": ("page_viewed", {"event_id": event, "session_id": id}),
    }[FAMILIES[topic]]
    envelope = {
        "specversion": "1.0", "id": id, "source": "/neighbour", "type": f"eventos.{FAMILIES[topic]}.{name}.v1",
        "time": datetime(2025, 10, 1, tzinfo=UTC).isoformat(),
    }  # fmt: skip
    return json.dumps({**envelope, "data": data}).encode()
