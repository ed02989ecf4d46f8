"""The organisation: users, events, sponsors, proposals, campaigns, templates, sequences, as core rows. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

_EVENTS = (
    ("Lisbon Climate Tech Summit", "conference", "energy", "Lisbon", "EUR", 4_000),
    ("Berlin Data Festival", "festival", "technology", "Berlin", "EUR", 6_000),
    ("Toronto Health Hackathon", "hackathon", "health", "Toronto", "USD", 1_500),
    ("Bogotá Food Innovation Expo", "expo", "food", "Bogotá", "USD", 3_000),
    ("London Fintech Gala", "gala", "finance", "London", "GBP", 150),
    ("Milan Circular Fashion Week", "conference", "fashion", "Milan", "EUR", 2_500),
)
_FIRST = ("Northwind", "Solaria", "Bluepeak", "Verdant", "Halcyon", "Quantica", "Riverstone", "Amberlight", "Cobalt",
          "Fernway", "Orbita", "Tessera", "Lumen", "Kestrel", "Granite")  # fmt: skip
_SECOND = ("Labs", "Energy", "Foods", "Capital", "Health", "Systems", "Textiles", "Ventures")
_INDUSTRIES = ("technology", "energy", "food", "finance", "health", "technology", "fashion", "finance")
_TYPES = ("conference", "festival", "hackathon", "expo", "gala")
_VALUES = ("sustainability", "innovation", "education", "diversity", "community")
_PACKAGES = (("bronze", 5_000), ("silver", 12_000), ("gold", 25_000), ("platinum", 60_000))

SPONSORS = 60


@dataclass(frozen=True, slots=True)
class Organisation:
    """Core rows, in the form that `load_core` takes."""

    core: dict[str, list[Any]]

    @property
    def first_event(self) -> str:
        """An event by which one sees whether the organisation was loaded before."""
        identity: str = self.core["events"][0]["id"]
        return identity


def organisation(seed: int, today: datetime) -> Organisation:
    """Found the organisation. The same seed gives the same rows, save for dates, which lie around `today`."""
    random = Random(seed)  # noqa: S311 - made-up people, not secrets
    users = [_id(random) for _ in range(2)]
    events = [
        {
            **{"id": _id(random), "organizer_id": random.choice(users), "title": title, "event_type": kind},
            **{"industry": industry, "location": city, "currency": currency, "capacity": capacity},
            **{"values": random.sample(_VALUES, 2), "status": "published"},
            "starts_at": (today + timedelta(days=30 + 20 * number)).isoformat(),
            "ends_at": (today + timedelta(days=31 + 20 * number)).isoformat(),
        }
        for number, (title, kind, industry, city, currency, capacity) in enumerate(_EVENTS)
    ]
    sponsors = [_sponsor(random, users, number) for number in range(SPONSORS)]
    proposals = [_proposal(random, sponsor, today) for sponsor in random.sample(sponsors, SPONSORS // 2)]
    for proposal in proposals:
        event = random.choice(events)
        proposal |= {"event_id": event["id"], "currency": event["currency"]}
    campaigns = [
        {"id": _id(random), "event_id": event["id"], "name": f"{event['title']}: {wave}", "status": "active"}
        for event in events
        for wave in ("early birds", "last call")
    ]
    templates = [
        {
            **{"id": _id(random), "campaign_id": campaign["id"], "event_id": campaign["event_id"]},
            **{"template_type": kind, "subject": f"{campaign['name']} ({kind})", "status": "active"},
        }
        for campaign in campaigns
        for kind in ("invitation", "reminder")
    ]
    sequences = [
        {
            **{"id": _id(random), "sponsor_id": proposal["sponsor_id"], "proposal_id": proposal["id"]},
            **{"sequence_type": "post_proposal", "status": "active"},
        }
        for proposal in proposals
    ]
    return Organisation(
        {
            "users": users,
            "events": events,
            "sponsors": sponsors,
            "proposals": proposals,
            "campaigns": campaigns,
            "templates": templates,
            "sequences": sequences,
        }
    )


def _sponsor(random: Random, users: list[str], number: int) -> dict[str, Any]:
    low = random.choice((1_000, 5_000, 10_000))
    kind = number % len(_SECOND)
    return {
        "id": _id(random),
        "created_by": random.choice(users),
        "company_name": f"{_FIRST[number % len(_FIRST)]} {_SECOND[kind]}",
        "industry": _INDUSTRIES[kind],
        "industries_of_interest": random.sample(sorted(set(_INDUSTRIES)), 3),
        "event_types": random.sample(_TYPES, random.randint(0, 3)),
        "geographic_preferences": random.sample([city for _, _, _, city, _, _ in _EVENTS], random.randint(0, 3)),
        "values": random.sample(_VALUES, random.randint(0, 3)),
        "min_budget": f"{low}.00",
        "max_budget": f"{low * random.choice((4, 8))}.00",
        "currency": random.choice(("EUR", "USD", "EUR", "GBP")),
        "total_sponsorships": random.choice((0, 0, 1, 3, 5)),
        "average_roi": random.choice((None, "0.80", "1.50", "2.40")),
        "renewal_rate": random.choice((None, "10.00", "60.00", "85.00")),
    }


def _proposal(random: Random, sponsor: dict[str, Any], today: datetime) -> dict[str, Any]:
    package, amount = random.choice(_PACKAGES)
    created = today - timedelta(days=random.randint(1, 40))
    return {
        **{"id": _id(random), "sponsor_id": sponsor["id"], "package_level": package},
        **{"proposed_amount": f"{amount}.00", "status": "sent"},
        **{"created_at": created.isoformat(), "sent_at": created.isoformat()},
    }


def _id(random: Random) -> str:
    return str(UUID(int=random.getrandbits(128), version=4))
