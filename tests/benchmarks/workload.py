"""Records for measurements: valid, of realistic size and key spread, and the same for the same seed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import orjson

from contracts.topics import EMAIL_ENGAGEMENT, SPONSOR_ACTIVITY, TICKET_SALES, Topic

START = datetime(2026, 9, 1, tzinfo=UTC)
DAYS = 60
_ACTIVITIES = ("website_visited",) * 10 + ("package_viewed",) * 4 + ("proposal_viewed",) * 3 + (
    "deck_downloaded", "enquiry_submitted", "meeting_booked", "meeting_held", "note_added",
)  # fmt: skip


class Workload:
    """A season of `sponsors` sponsors and `events` events; `records` yields (key, value) of a topic without end."""

    def __init__(self, *, sponsors: int = 2000, events: int = 50, seed: int = 1) -> None:
        self._random = Random(seed)
        self.sponsors = [self._uuid() for _ in range(sponsors)]
        self.events = [self._uuid() for _ in range(events)]

    def core(self) -> dict[str, list[dict[str, Any]]]:
        """The rows that must exist beforehand, in the form of a conformance set's core.json."""
        return {
            "events": [{"id": id_, "title": "Event", "currency": "USD", "capacity": 5000} for id_ in self.events],
            "sponsors": [{"id": id_, "company_name": "Company", "industry": "food"} for id_ in self.sponsors],
        }

    def records(self, topic: Topic) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values of records of `topic`."""
        make = {SPONSOR_ACTIVITY: self._activities, EMAIL_ENGAGEMENT: self._emails, TICKET_SALES: self._tickets}[topic]
        return make()

    def _activities(self) -> Iterator[tuple[bytes, bytes]]:
        while True:
            sponsor, event = self._random.choice(self.sponsors), self._random.choice(self.events)
            data = {"sponsor_id": sponsor, "event_id": event, "metadata": {"page": "/packages/gold", "seconds": 41}}
            yield sponsor.encode(), self._value(f"eventos.sponsor.{self._random.choice(_ACTIVITIES)}.v1", data)

    def _emails(self) -> Iterator[tuple[bytes, bytes]]:
        while True:
            sponsor = self._random.choice(self.sponsors)
            data = {
                "message_id": self._uuid(),
                "sponsor_id": sponsor,
                "event_id": self._random.choice(self.events),
                "campaign_id": self.events[0],
                "template_id": self.events[1],
            }
            names = ["sent", "delivered", "opened"] + ["clicked"] * (self._random.random() < 0.3)
            for name in names:
                yield sponsor.encode(), self._value(f"eventos.email.{name}.v1", data)

    def _tickets(self) -> Iterator[tuple[bytes, bytes]]:
        while True:
            event, order = self._random.choice(self.events), self._uuid()
            viewed: dict[str, Any] = {"event_id": event, "session_id": order[:13]}
            for _ in range(7):
                yield event.encode(), self._value("eventos.ticketing.page_viewed.v1", viewed)
            ordered = {"event_id": event, "order_id": order}
            yield event.encode(), self._value("eventos.ticketing.checkout_started.v1", ordered)
            completed = {**ordered, "quantity": 2, "amount": "199.98", "currency": "USD", "ticket_type": "standard"}
            yield event.encode(), self._value("eventos.ticketing.order_completed.v1", completed)
            entered = {**ordered, "ticket_id": f"{order}-1"}
            yield event.encode(), self._value("eventos.ticketing.attendee_checked_in.v1", entered)

    def _value(self, type_: str, data: dict[str, Any]) -> bytes:
        moment = START + timedelta(seconds=self._random.randrange(DAYS * 86_400))
        return orjson.dumps(
            {
                "specversion": "1.0",
                "id": self._uuid(),
                "source": "/benchmark",
                "type": type_,
                "time": moment.isoformat(),
                "data": data,
            }
        )

    def _uuid(self) -> str:
        return str(UUID(int=self._random.getrandbits(128), version=4))
