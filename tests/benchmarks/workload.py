"""Records for measurements: valid, of realistic size, order and key spread, and the same for the same seed.

A few sponsors and events have most of the traffic, as everywhere (by rank: 1/rank^0.8). What becomes of an e-mail or a
visit to the box office comes hours or days after it began, so in a topic its records lie among those of many others.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from heapq import heappop, heappush
from itertools import accumulate, count
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from contracts.topics import EMAIL_ENGAGEMENT, SPONSOR_ACTIVITY, TICKET_SALES, Topic

START = datetime(2026, 8, 1, tzinfo=UTC)
SPAN = timedelta(days=60)
AS_OF = date(2026, 11, 1)
"""The UTC day that views stand for; all records lie before it."""

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
_SKEW = 0.8
_INTERESTS = 6
"""Events that a sponsor has to do with, at most."""
_ACTIVITIES = {
    "website_visited": 50, "package_viewed": 20, "proposal_viewed": 12, "deck_downloaded": 6, "enquiry_submitted": 4,
    "meeting_booked": 3, "meeting_held": 2, "note_added": 2, "intent_letter_received": 1,
}  # fmt: skip


class Step(NamedTuple):
    """One record of a story: seconds after its beginning, the record's key, and the event."""

    after: float
    key: str
    type: str
    data: dict[str, Any]


class Workload:
    """A season of `sponsors` sponsors and `events` events."""

    def __init__(self, *, sponsors: int = 2000, events: int = 50, seed: int = 1) -> None:
        self._seed = seed
        random = Random(seed)
        self.sponsors = [_uuid(random) for _ in range(sponsors)]
        self.events = [_uuid(random) for _ in range(events)]
        self.campaigns = [_uuid(random) for _ in range(events)]
        self.templates = [_uuid(random) for _ in range(20)]
        self._choose_sponsor, choose_event = _skewed(self.sponsors), _skewed(self.events)
        self._choose_event = choose_event
        self._interests = {
            sponsor: sorted({choose_event(random) for _ in range(_INTERESTS)}) for sponsor in self.sponsors
        }
        self._proposals = {sponsor: _uuid(random) for sponsor in self.sponsors[::4]}
        self._sequences = {sponsor: _uuid(random) for sponsor in self.sponsors[::5]}

    def core(self) -> dict[str, list[dict[str, Any]]]:
        """The rows that must exist beforehand, in the form of a conformance set's core.json."""
        industries = ("food", "software", "banking", "energy")
        created = START.isoformat()
        return {
            "events": [
                {"id": id_, "title": f"Event {n}", "industry": industries[n % 4], "currency": "USD", "capacity": 5000}
                for n, id_ in enumerate(self.events)
            ],
            "sponsors": [
                {
                    "id": id_, "company_name": f"Company {n}", "industry": industries[n % 3],
                    "industries_of_interest": industries[n % 2 : 2 + n % 3], "min_budget": 1000, "max_budget": 9000,
                }
                for n, id_ in enumerate(self.sponsors)
            ],
            "proposals": [
                {
                    "id": id_, "event_id": self._interests[sponsor][0], "sponsor_id": sponsor,
                    "proposed_amount": "5000.00", "created_at": created,
                }
                for sponsor, id_ in self._proposals.items()
            ],
            "campaigns": [
                {"id": id_, "event_id": event, "name": "Campaign"}
                for id_, event in zip(self.campaigns, self.events, strict=True)
            ],
            "templates": [
                {"id": id_, "subject": "Join us", "template_type": "sponsor_outreach"} for id_ in self.templates
            ],
            "sequences": [
                {"id": id_, "sponsor_id": sponsor, "sequence_type": "initial_outreach"}
                for sponsor, id_ in self._sequences.items()
            ],
        }  # fmt: skip

    def records(self, topic: Topic, number: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values of `number` records of `topic` in the order of their times; each call, the same."""
        random = Random(f"{self._seed}/{topic.name}")
        tell = {SPONSOR_ACTIVITY: self._activity, EMAIL_ENGAGEMENT: self._message, TICKET_SALES: self._visit}[topic]
        season = SPAN.total_seconds()
        waiting: list[tuple[float, int, Step]] = []
        told, order = 0, count()
        while told < number:
            begins = season * min(1.0, (told + len(waiting)) / number)
            for step in tell(random):
                heappush(waiting, (min(begins + step.after, season), next(order), step))
            while told < number and waiting and (waiting[0][0] <= begins or begins == season):
                seconds, _, step = heappop(waiting)
                told += 1
                yield step.key.encode(), _value(random, step, START + timedelta(seconds=int(seconds)))

    def _activity(self, random: Random) -> Iterator[Step]:
        sponsor = self._choose_sponsor(random)
        [name] = random.choices([*_ACTIVITIES], [*_ACTIVITIES.values()])
        data: dict[str, Any] = {
            "sponsor_id": sponsor,
            "event_id": random.choice(self._interests[sponsor]),
            "metadata": {"page": "/packages/gold", "seconds": random.randrange(300)},
        }
        if name == "proposal_viewed" and sponsor in self._proposals:
            data |= {"proposal_id": self._proposals[sponsor], "event_id": self._interests[sponsor][0]}
        yield Step(0, sponsor, f"eventos.sponsor.{name}.v1", data)
        if name == "intent_letter_received" and random.random() < 0.5:
            signed = {"package_level": "gold", "amount": "5000.00", "currency": "USD"}
            data = {**data, "metadata": None, **signed}
            yield Step(random.expovariate(1 / (5 * DAY)), sponsor, "eventos.sponsor.sponsorship_signed.v1", data)

    def _message(self, random: Random) -> Iterator[Step]:
        sponsor = self._choose_sponsor(random)
        event = random.choice(self._interests[sponsor])
        data = {
            "message_id": _uuid(random), "sponsor_id": sponsor, "event_id": event,
            "campaign_id": self.campaigns[self.events.index(event)], "template_id": random.choice(self.templates),
        }  # fmt: skip
        if sponsor in self._sequences:
            data["sequence_id"] = self._sequences[sponsor]

        def step(after: float, name: str, **more: object) -> Step:
            return Step(after, sponsor, f"eventos.email.{name}.v1", {**data, **more})

        yield step(0, "sent")
        if random.random() < 0.04:
            yield step(5, "bounced", bounce_kind=random.choice(("hard", "soft", "soft")))
            return
        yield step(2, "delivered")
        opened = random.expovariate(1 / (9 * HOUR))
        if random.random() < 0.5:
            yield step(opened, "opened", machine=random.random() < 0.3)
            if random.random() < 0.25:
                yield step(opened + MINUTE, "clicked", url="https://example.com/packages")
            if random.random() < 0.06:
                yield step(opened + HOUR, "replied")
            elif random.random() < 0.01:
                yield step(opened + MINUTE, "unsubscribed")

    def _visit(self, random: Random) -> Iterator[Step]:
        event, order = self._choose_event(random), _uuid(random)

        def step(after: float, name: str, **data: object) -> Step:
            return Step(after, event, f"eventos.ticketing.{name}.v1", {"event_id": event, **data})

        pages = 1 + min(12, int(random.expovariate(1 / 4)))
        for page in range(pages):
            yield step(page * MINUTE, "page_viewed", session_id=order[:13])
        if random.random() < 0.3:
            ordered, quantity = pages * MINUTE, random.choice((1, 2, 2, 4))
            yield step(ordered, "checkout_started", order_id=order)
            if random.random() < 0.6:
                by = {"sponsor_id": self._choose_sponsor(random)} if random.random() < 0.1 else {}
                yield step(
                    ordered + 2 * MINUTE, "order_completed", order_id=order, quantity=quantity,
                    amount=f"{99.99 * quantity:.2f}", currency="USD",
                    ticket_type=random.choice(("standard", "standard", "vip")), **by,
                )  # fmt: skip
                if random.random() < 0.04:
                    refund = {"refunded_quantity": 1, "refunded_amount": "99.99", "currency": "USD"}
                    yield step(ordered + 2 * DAY, "order_refunded", order_id=order, **refund)
                for ticket in range(quantity):
                    yield step(20 * DAY, "attendee_checked_in", order_id=order, ticket_id=f"{order}-{ticket}")


def _value(random: Random, step: Step, moment: datetime) -> bytes:
    envelope = {"specversion": "1.0", "id": _uuid(random), "source": "/benchmark", "type": step.type}
    return orjson.dumps({**envelope, "time": moment.isoformat(), "data": step.data})


def _skewed(ids: Sequence[str]) -> Callable[[Random], str]:
    """Return what chooses one of `ids`, the first most often."""
    weights = list(accumulate(1 / rank**_SKEW for rank in range(1, len(ids) + 1)))

    def choose(random: Random) -> str:
        return random.choices(ids, cum_weights=weights)[0]

    return choose


def _uuid(random: Random) -> str:
    return str(UUID(int=random.getrandbits(128), version=4))
