"""Writing events as records: in all the forms that mean the same."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from random import Random
from typing import Any

Record = dict[str, Any]
"""A line of records.jsonl: topic, key and value, and headers where there are any."""

AS_OF = date(2026, 1, 10)
END = datetime(2026, 1, 11, 0, 5, tzinfo=UTC)
"""The latest time that an event may carry."""
FIRST = datetime(2025, 9, 1, tzinfo=UTC)
FAMILIES = {"sponsor-activity": "sponsor", "email-engagement": "email", "ticket-sales": "ticketing"}
_DAYS = (END - FIRST).days
_ZONES = [timezone(timedelta(hours=h, minutes=m)) for h, m in ((0, 0), (2, 0), (-23, -59), (5, 30), (23, 59))]
_SOURCES = ["/crm", "/mailer", "/box-office", "https://example.org/ünïcode", "urn:x:é", "urn:x:e\u0301", "A", "a"]
_ODD_MOMENTS = [END, datetime(2026, 1, 1, tzinfo=UTC), datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)]
_CALENDARS_FIRST = datetime(1, 1, 1, tzinfo=UTC)


class Pen:
    """Writes records, most of them in the order of their time, some much later."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.written: list[tuple[float, int, Record]] = []

    def chance(self, share: float) -> bool:
        """Whether something happens that happens with this share."""
        return self.rng.random() < share

    def uuid(self) -> str:
        """A new uuid."""
        return new_uuid(self.rng)

    def text(self, prefix: str) -> str:
        """A new text: mostly plain, sometimes of the kind that trimming and collations spoil."""
        plain, odd = f"{prefix}-{self.rng.getrandbits(48):012x}", self.rng.random()
        return f" {plain} Ä😀\t" if odd < 0.01 else plain.upper() if odd < 0.02 else plain

    def moment(self) -> datetime:
        """A time in the season; now and then at the edge of a day, of the season, or of the calendar."""
        odd = self.rng.random()
        if odd < 0.02:
            return FIRST + timedelta(days=self.rng.randrange(_DAYS)) - timedelta(microseconds=self.rng.randrange(2))
        if odd < 0.021:
            return self.rng.choice(_ODD_MOMENTS)
        if odd < 0.0211:
            return _CALENDARS_FIRST
        return FIRST + timedelta(seconds=self.rng.random() * _DAYS * 86_400)

    def later(self, time: datetime, days: float) -> datetime:
        """A time up to `days` after `time`, sometimes exactly then, never after the end of the season."""
        return time if self.chance(0.05) else min(END, time + timedelta(days=self.rng.random() * days))

    def tell(self, topic: str, name: str, time: datetime, data: dict[str, Any], key: str | None) -> None:
        """Write an event, and sometimes again: as a duplicate, or as a conflict that must not stand."""
        event = self.envelope(topic, name, time, data)
        if self.chance(0.01):
            key = self.rng.choice([None, "elsewhere", "", "ключ"])
        arrival = self.write(topic, key, event, time)
        if self.chance(0.04):
            again = key if self.chance(0.7) else f"other-{self.rng.randrange(99)}"
            self.write(topic, again, {**event, "time": self.told(time), "subject": "again"}, time, arrival)
        if self.chance(0.01):
            self.write(topic, key, self._otherwise(event, time), time, arrival)

    def envelope(self, topic: str, name: str, time: datetime, data: dict[str, Any]) -> dict[str, Any]:
        """An event in structured mode, with an identity of its own."""
        return {
            "specversion": "1.0",
            "id": f"{self.rng.getrandbits(64):016x}",
            "source": self.rng.choice(_SOURCES) if self.chance(0.2) else "/season",
            "type": f"eventos.{FAMILIES[topic]}.{name}.v1",
            "time": self.told(time),
            "data": data,
        }

    def told(self, time: datetime) -> str:
        """An instant in one of the forms that RFC 3339 allows."""
        form = self.rng.random()
        if form < 0.6 or not 1 < time.year < 9999:
            return time.isoformat().replace("+00:00", "Z")
        if form < 0.7:
            return time.isoformat()
        if form < 0.8:
            return time.isoformat(timespec="microseconds").replace("+00:00", f"{self.rng.randrange(1000):03}Z")
        if form < 0.9:
            return time.isoformat().replace("+00:00", "z").replace("T", "t")
        return time.astimezone(self.rng.choice(_ZONES)).isoformat()

    def write(
        self, topic: str, key: str | None, event: dict[str, Any], time: datetime, after: float | None = None
    ) -> float:
        """Write an event in structured or binary mode; returns its place in the order of arrival."""
        form = self.rng.random()
        if form < 0.9:
            return self.put(topic, key, json.dumps(event, ensure_ascii=False), time, after)
        if form < 0.97:
            value = {name: event[name] for name in reversed(event)} | {"data": dict(reversed(event["data"].items()))}
            return self.put(topic, key, json.dumps(value, separators=(",", ":")), time, after)
        headers = {f"ce_{name}": text for name, text in event.items() if name != "data"}
        return self.put(topic, key, json.dumps(event["data"], indent=1), time, after, headers)

    def put(
        self, topic: str, key: str | None, value: str | None, time: datetime, after: float | None = None,
        headers: dict[str, str] | None = None,
    ) -> float:  # fmt: skip
        """Write a record as it stands; one that comes `after` another comes at any time after it."""
        arrival = (time - FIRST).total_seconds() if after is None else after
        arrival += self.rng.random() * (40 * 86_400 if self.chance(0.1) else 600)
        record = {"topic": topic, "key": key, "value": value} | ({"headers": headers} if headers else {})
        self.written.append((arrival, len(self.written), record))
        return arrival

    def in_order_of_arrival(self, count: int) -> list[Record]:
        """The first `count` records that were written, as they arrive."""
        return [record for _, _, record in sorted(self.written[:count], key=lambda entry: entry[:2])]

    def _otherwise(self, event: dict[str, Any], time: datetime) -> dict[str, Any]:
        """The same identity with other content, however little."""
        data, event_id = event["data"], event["data"].get("event_id") or ""
        sooner = time - timedelta(microseconds=1) if time > _CALENDARS_FIRST else time + timedelta(seconds=1)
        changes: list[dict[str, Any]] = [
            {"time": self.told(sooner)},
            {"data": {**data, "unknown": None}},
            {"data": {**data, "unknown": self.rng.choice([1, 1.0, True, "1", [], {"a": 1}, 10**30])}},
        ]
        if event_id != event_id.upper():
            changes.append({"data": {**data, "event_id": event_id.upper()}})
        return {**event, **self.rng.choice(changes)}


def new_uuid(rng: Random) -> str:
    """A uuid made of these random numbers."""
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
