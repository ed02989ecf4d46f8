"""What people do in a season, one after the other: e-mails read, tickets bought, sponsors won. Pure.

A journey is an iterator of steps. A step waits for a while of the season's own time, then something happens.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0

_PRICES = {"standard": 89, "early": 59, "vip": 249}


@dataclass(frozen=True, slots=True)
class Step:
    """After `wait` seconds of the season's time, an event of this type happens, with this data."""

    wait: float
    type: str
    data: dict[str, Any]


Journey = Iterator[Step]


def email(random: Random, message: str, about: dict[str, Any]) -> Journey:
    """One e-mail: sent, then delivered or bounced; read by machines and by people; answered, or regretted."""

    def step(wait: float, name: str, **more: Any) -> Step:
        return Step(random.expovariate(1 / wait), f"eventos.email.{name}.v1", {"message_id": message, **about, **more})

    yield step(MINUTE, "sent")
    if random.random() < 0.04:
        yield step(MINUTE, "bounced", bounce_kind=random.choice(("hard", "soft")))
        return
    yield step(MINUTE, "delivered")
    if random.random() < 0.3:
        yield step(MINUTE, "opened", machine=True)
    if random.random() > 0.5:
        return
    yield step(3 * HOUR, "opened", machine=False)
    if random.random() < 0.45:
        yield step(5 * MINUTE, "clicked", machine=random.random() < 0.1, url="https://eventos.example/tickets")
    mood = random.random()
    if mood < 0.15:
        yield step(8 * HOUR, "replied")
    elif mood < 0.18:
        yield step(HOUR, "unsubscribed")
    elif mood < 0.187:
        yield step(HOUR, "complained")


def visitor(random: Random, name: str, event: dict[str, Any], sponsor: str | None, sold_out: bool) -> Journey:
    """One visitor: looks at the page, begins to order, pays, comes; sometimes wants the money back."""
    on = {"event_id": event["id"]}

    def step(wait: float, what: str, **data: Any) -> Step:
        return Step(random.expovariate(1 / wait), f"eventos.ticketing.{what}.v1", {**on, **data})

    for _ in range(random.randint(1, 4)):
        yield step(10 * MINUTE, "page_viewed", session_id=f"s-{name}")
    if sold_out or random.random() > 0.22:
        return
    order = {"order_id": f"o-{name}"}
    yield step(5 * MINUTE, "checkout_started", **order)
    if random.random() > 0.65:
        return
    kind, quantity = random.choice(tuple(_PRICES)), random.choice((1, 1, 2, 2, 4))
    currency, price = event["currency"], _PRICES[kind]
    bought = {"quantity": quantity, "amount": f"{price * quantity}.00", "currency": currency, "ticket_type": kind}
    yield step(5 * MINUTE, "order_completed", **order, **bought, sponsor_id=sponsor, channel="web")
    fate = random.random()
    if fate < 0.08:
        back = random.randint(1, quantity)
        amount = f"{price * back}.00"
        yield step(
            2 * DAY, "order_refunded", **order, refunded_quantity=back, refunded_amount=amount, currency=currency
        )
    elif fate < 0.1:
        yield step(5 * DAY, "dispute_closed", **order, outcome=random.choice(("won", "lost")))
    elif fate < 0.6:
        for number in range(1, quantity + 1):
            yield step(DAY, "attendee_checked_in", **order, ticket_id=f"t-{name}-{number}")


def prospect(random: Random, sponsor: str, event: str, proposal: dict[str, Any] | None) -> Journey:
    """One sponsor's way to an event: looks around, asks, meets; signs, declines, or is not heard of again."""
    of: dict[str, Any] = {"sponsor_id": sponsor, "event_id": event}

    def step(wait: float, name: str, **more: Any) -> Step:
        return Step(random.expovariate(1 / wait), f"eventos.sponsor.{name}.v1", {**of, **more})

    for _ in range(random.randint(1, 3)):
        yield step(6 * HOUR, "website_visited", metadata={"page": random.choice(("home", "speakers", "partners"))})
    if random.random() < 0.7:
        yield step(HOUR, "package_viewed")
    if random.random() < 0.4:
        yield step(HOUR, "deck_downloaded")
    if random.random() > 0.55:
        return
    yield step(DAY, "enquiry_submitted")
    if proposal is not None:
        for _ in range(random.randint(1, 3)):
            yield step(12 * HOUR, "proposal_viewed", proposal_id=proposal["id"])
    yield step(2 * DAY, "meeting_booked")
    if random.random() < 0.15:
        yield step(3 * DAY, "meeting_missed")
        return
    yield step(3 * DAY, "meeting_held")
    yield step(HOUR, "note_added", metadata={"text": "asked for the attendee list"})
    if random.random() < 0.5:
        yield step(2 * DAY, "proposal_declined", **({"proposal_id": proposal["id"]} if proposal else {}))
        return
    yield step(2 * DAY, "intent_letter_received")
    if proposal is not None:
        terms = {name: proposal[name] for name in ("package_level", "currency")}
        yield step(3 * DAY, "sponsorship_signed", **terms, amount=proposal["proposed_amount"])
