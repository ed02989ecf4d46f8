"""What upstream systems own: events, sponsors, proposals, campaigns, templates and sequences, a few known to all."""

from collections.abc import Sequence
from random import Random
from typing import Any, TypeVar

from tests.support.season.pen import new_uuid

Item = TypeVar("Item")
_INDUSTRIES = ["food", "finance", "technology", "health", "energy", "fashion"]
_TYPES = ["conference", "gala", "festival", "expo", "hackathon"]
_PLACES = ["Toronto", "Lisbon", "Bogotá", "Berlin", "berlin"]
_VALUES = ["education", "sustainability", "innovation", "community", "diversity"]
_AMOUNTS = ["900.00", "999.99", "1000.00", "8000.00", "9600.00", "9600.01", "50000", "60000.0", "0", None]
_VECTORS = [(1, 0), (0, 1), (3, 4), (4, 3), (-3, -4), (0.5, 0)]
CURRENCIES = ["USD", "USD", "USD", "EUR", "GBP"]


class World:
    """The core rows, and choices among them: the first of each kind are the busiest."""

    def __init__(self, rng: Random, records: int) -> None:
        self._rng = rng
        users = [new_uuid(rng) for _ in range(3)]
        events = [self._event(number, users) for number in range(4 + records // 2000)]
        sponsors = [self._sponsor(number, users) for number in range(8 + records // 250)]
        self.events: list[str] = [row["id"] for row in events]
        self.sponsors: list[str] = [row["id"] for row in sponsors]
        self.core: dict[str, Any] = {"users": users, "events": events, "sponsors": sponsors}
        self.core["proposals"] = [self._proposal() for _ in range(5 + len(sponsors))]
        self.core["campaigns"] = [
            {"id": new_uuid(rng), "event_id": self.event(), "name": f"Campaign {n}"} for n in range(2 + len(events))
        ]
        self.core["templates"] = [self._template() for _ in range(3 + 2 * len(events))]
        self.core["sequences"] = [self._sequence() for _ in range(4 + len(sponsors) // 3)]
        self._unknown = [new_uuid(rng) for _ in range(3)]

    def event(self) -> str:
        """The id of an event."""
        return self._busy(self.events)

    def sponsor(self) -> str:
        """The id of a sponsor."""
        return self._busy(self.sponsors)

    def one_of(self, section: str) -> str | None:
        """The id of a row of another kind; none, or an unknown one, now and then."""
        chosen = self._rng.random()
        if chosen < 0.25:
            return None
        found: str = self._rng.choice(self._unknown) if chosen < 0.3 else self._busy(self.core[section])["id"]
        return found

    def _busy(self, items: Sequence[Item]) -> Item:
        return items[int(len(items) * self._rng.random() ** 2)]

    def _some(self, items: Sequence[str]) -> list[str]:
        return self._rng.sample(items, self._rng.randrange(4))

    def _embedded(self) -> dict[str, Any]:
        if self._rng.random() > 0.02:
            return {}
        return {"embedding": [*self._rng.choice(_VECTORS), *[0] * 1534]}

    def _event(self, number: int, users: Sequence[str]) -> dict[str, Any]:
        choice = self._rng.choice
        return {
            "id": new_uuid(self._rng),
            "organizer_id": choice(users),
            "title": f"Event {number}",
            "event_type": choice([*_TYPES, None]),
            "industry": choice([*_INDUSTRIES, None]),
            "location": choice([*_PLACES, None]),
            "values": self._some(_VALUES),
            "currency": choice(CURRENCIES),
            "capacity": choice([None, 0, 1, 20, 200, 100_000]),
            **self._embedded(),
        }

    def _sponsor(self, number: int, users: Sequence[str]) -> dict[str, Any]:
        choice = self._rng.choice
        return {
            "id": new_uuid(self._rng),
            "created_by": choice(users),
            "company_name": f"Company {number}",
            "industry": choice(_INDUSTRIES),
            "industries_of_interest": self._some(_INDUSTRIES),
            "event_types": self._some(_TYPES),
            "geographic_preferences": self._some(_PLACES),
            "values": self._some(_VALUES),
            "min_budget": choice([None, "1000.00", "5000.00", "9600.00"]),
            "max_budget": choice([None, "8000.00", "50000.00"]),
            "currency": choice(CURRENCIES),
            "total_sponsorships": choice([0, 1, 2, 3, 5]),
            "average_roi": choice([None, "0.99", "1.00", "1.99", "2.00"]),
            "renewal_rate": choice([None, "24.99", "25.00", "49.99", "50.00", "100.00"]),
            **self._embedded(),
        }

    def _proposal(self) -> dict[str, Any]:
        """Few pairs and few moments, so that the newest of a pair is a matter of the id now and then."""
        return {
            "id": new_uuid(self._rng),
            "event_id": self.event(),
            "sponsor_id": self.sponsor(),
            "package_level": "gold",
            "proposed_amount": self._rng.choice(_AMOUNTS),
            "currency": self._rng.choice(CURRENCIES),
            "status": "sent",
            "created_at": f"2025-10-{self._rng.randrange(1, 4):02}T12:00:00.{self._rng.randrange(2):06}+00:00",
        }

    def _template(self) -> dict[str, Any]:
        return {
            "id": new_uuid(self._rng),
            "campaign_id": self._busy(self.core["campaigns"])["id"],
            "event_id": self.event(),
            "subject": "Hello",
            "template_type": "invitation",
        }

    def _sequence(self) -> dict[str, Any]:
        return {
            "id": new_uuid(self._rng),
            "sponsor_id": self.sponsor(),
            "proposal_id": None,
            "sequence_type": "post_proposal",
            "status": self._rng.choice(["active", "active", "active", "paused", "completed", "stopped", "replied"]),
        }
