"""A season of events without end: journeys side by side, and the mishaps of real publishers between them.

Pure: time is given, and chance comes from a seed.
"""

import heapq
from collections import Counter, deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any
from uuid import UUID

import orjson

from contracts.registry import EVENT_TYPES
from services.operator.demonstration.journeys import HOUR, MINUTE, Journey, Step, email, prospect, visitor
from services.operator.demonstration.organisation import Organisation
from services.operator.lines import Record

_JOURNEYS_AT_ONCE = 80
_SALE = "eventos.ticketing.order_completed.v1"
_DUPLICATE, _BAD, _LATE = 0.02, 0.004, 0.01


class Season:
    """Tells one record at a time. `run` keeps the identities of two runs apart; the seed makes them alike."""

    def __init__(self, organisation: Organisation, seed: int, run: str) -> None:
        self._core, self._run = organisation.core, run
        self._random = Random(seed)  # noqa: S311 - made-up people, not secrets
        self._numbers = count(1)
        self._running: list[tuple[float, int, Step, Journey]] = []
        self._clock = 0.0
        self._sold: Counter[str] = Counter()
        self._told: deque[Record] = deque(maxlen=500)
        self._proposals = {(p["sponsor_id"], p["event_id"]): p for p in self._core["proposals"]}
        self._sequences = {sequence["sponsor_id"]: sequence["id"] for sequence in self._core["sequences"]}

    def tell(self, now: datetime) -> Record:
        """What reaches Kafka next, at `now`: mostly the next event of the season, at times a mishap."""
        chance = self._random.random()
        if chance < _DUPLICATE and self._told:
            return self._random.choice(self._told)
        late = self._random.uniform(HOUR, 72 * HOUR) if self._random.random() < _LATE else 0.0
        envelope = self._envelope(self._next_step(), now - timedelta(seconds=late))
        record = _record(envelope)
        if chance < _DUPLICATE + _BAD:
            return self._spoilt(envelope, record, now)
        self._told.append(record)
        return record

    def _next_step(self) -> Step:
        """Let the season go on to its next step, beginning journeys as others end."""
        while len(self._running) < _JOURNEYS_AT_ONCE:
            self._go_on(self._clock + self._random.uniform(0, 30 * MINUTE), self._begin())
        self._clock, _, step, journey = heapq.heappop(self._running)
        self._go_on(self._clock, journey)
        if step.type == _SALE:
            self._sold[step.data["event_id"]] += step.data["quantity"]
        return step

    def _go_on(self, clock: float, journey: Journey) -> None:
        if (step := next(journey, None)) is not None:
            heapq.heappush(self._running, (clock + step.wait, next(self._numbers), step, journey))

    def _begin(self) -> Journey:
        random, number = self._random, next(self._numbers)
        event, sponsor = random.choice(self._core["events"]), random.choice(self._core["sponsors"])["id"]
        chance = random.random()
        if chance < 0.15:
            pair = random.choice(tuple(self._proposals)) if random.random() < 0.6 else (sponsor, event["id"])
            return prospect(random, *pair, self._proposals.get(pair))
        if chance < 0.55:
            sold_out = self._sold[event["id"]] >= event["capacity"]
            buyer = sponsor if random.random() < 0.15 else None
            return visitor(random, f"{self._run}-{number}", event, buyer, sold_out)
        template = random.choice(self._core["templates"])
        to_sponsor = random.random() < 0.6
        about = {
            "sponsor_id": sponsor if to_sponsor else None,
            "event_id": template["event_id"],
            "campaign_id": template["campaign_id"],
            "template_id": template["id"],
            "sequence_id": self._sequences.get(sponsor) if to_sponsor and random.random() < 0.4 else None,
        }
        return email(random, f"m-{self._run}-{number}", about)

    def _envelope(self, step: Step, time: datetime) -> dict[str, Any]:
        return {
            "specversion": "1.0",
            "id": f"{next(self._numbers)}",
            "source": f"/demonstration/{self._run}",
            "type": step.type,
            "time": time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "data": step.data,
        }

    def _spoilt(self, envelope: dict[str, Any], record: Record, now: datetime) -> Record:
        """A record as it comes from a publisher with a bug."""
        value = record.value or b""
        tomorrow = (now + timedelta(days=1)).isoformat()
        stranger = str(UUID(int=self._random.getrandbits(128), version=4))
        bugs: tuple[Callable[[], bytes], ...] = (
            lambda: value[: len(value) // 2],
            lambda: orjson.dumps({**envelope, "data": {}}),
            lambda: orjson.dumps({**envelope, "time": tomorrow}),
            lambda: orjson.dumps({**envelope, "type": envelope["type"].replace(".v1", ".v9")}),
            lambda: orjson.dumps({**envelope, "data": {**envelope["data"], "event_id": stranger}}),
        )
        return Record(record.topic, record.key, self._random.choice(bugs)())


def _record(envelope: dict[str, Any]) -> Record:
    """The record of an event, under its partition key."""
    event_type = EVENT_TYPES[envelope["type"]]
    key = event_type.validate(envelope["data"]).partition_key
    return Record(event_type.topic, key.encode(), orjson.dumps(envelope))
