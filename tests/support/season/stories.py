"""What happens in a season: e-mails and what becomes of them, activities of sponsors, orders, visits."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from tests.support.season.pen import Pen
from tests.support.season.world import CURRENCIES, World

_CONTENT = ["website_visited"] * 6 + ["package_viewed", "proposal_viewed"] * 3 + ["deck_downloaded"] * 2
_INTENT = ["enquiry_submitted", "meeting_booked", "meeting_held", "intent_letter_received", "note_added"]
_NEGATIVE = ["meeting_missed", "proposal_declined"]
_ACTIVITIES = [*_CONTENT * 2, *_INTENT * 2, *_NEGATIVE, "sponsorship_signed"]
_AMOUNTS = ["19.99", "250.00", "5", "0.5", "0", "0.01", "1234567.89"]
_TYPES = ["standard", "vip", "Früh·Bucher", "Standard", " standard"]


def email(pen: Pen, world: World) -> None:
    """One message: whom it belongs to is told by its facts, not always, and not always the same."""
    message_id = pen.text("m")
    belongs = {
        "sponsor_id": world.sponsor() if pen.chance(0.92) else None,
        "event_id": world.event() if pen.chance(0.85) else None,
        "campaign_id": world.one_of("campaigns"),
        "template_id": world.one_of("templates"),
        "sequence_id": world.one_of("sequences"),
    }
    for name, time, more in _mail(pen, pen.moment()):
        data: dict[str, Any] = {"message_id": message_id, **more}
        for attribute, value in belongs.items():
            if pen.chance(0.85):
                data[attribute] = _other(world, attribute) if pen.chance(0.03) else value
        if data.get("sponsor_id") and pen.chance(0.02):
            data["sponsor_id"] = data["sponsor_id"].upper()
        pen.tell("email-engagement", name, time, data, (data.get("sponsor_id") or message_id).lower())


def _other(world: World, attribute: str) -> str | None:
    if attribute in ("sponsor_id", "event_id"):
        return world.sponsor() if attribute == "sponsor_id" else world.event()
    return world.one_of(attribute.replace("_id", "s"))


def _mail(pen: Pen, sent: datetime) -> Iterator[tuple[str, datetime, dict[str, Any]]]:
    if pen.chance(0.95):
        yield "sent", sent, {"recipient_hash": "0" * 64}
    if pen.chance(0.06):
        yield "bounced", pen.later(sent, 0.1), {"bounce_kind": pen.rng.choice(["hard", "soft"])}
    if pen.chance(0.85):
        yield "delivered", pen.later(sent, 0.01), {}
    for machine in (None, False, True):
        if pen.chance(0.3):
            yield "opened", pen.later(sent, 3), {"machine": machine}
        if pen.chance(0.12):
            yield "clicked", pen.later(sent, 4), {"machine": machine, "url": "https://example.org/ä"}
    if pen.chance(0.04):
        yield "opened", pen.later(sent, 20), {}
    for name, share in (("replied", 0.05), ("unsubscribed", 0.01), ("complained", 0.008)):
        if pen.chance(share):
            yield name, pen.later(sent, 30), {}


def activity(pen: Pen, world: World) -> None:
    """Something that a sponsor did."""
    name, sponsor = pen.rng.choice(_ACTIVITIES), world.sponsor()
    data: dict[str, Any] = {"sponsor_id": sponsor, "event_id": world.event() if pen.chance(0.8) else None}
    if name.startswith("proposal"):
        data["proposal_id"] = world.one_of("proposals")
    if name == "sponsorship_signed":
        data["event_id"] = world.event()
        amount = pen.rng.choice([*_AMOUNTS, "9999999999.99"])
        data |= {"package_level": "Gold", "amount": amount, "currency": pen.rng.choice(CURRENCIES)}
    if pen.chance(0.1):
        data["metadata"] = {"page": "/öffnen", "depth": [1, 1.5, None, True, {"": ""}]}
    pen.tell("sponsor-activity", name, pen.moment(), data, sponsor)


def visit(pen: Pen, world: World) -> None:
    """Someone looked at an event's page."""
    event = world.event()
    pen.tell("ticket-sales", "page_viewed", pen.moment(), {"event_id": event, "session_id": pen.text("s")}, event)


def order(pen: Pen, world: World) -> None:
    """One order, from checkout to the door; its refunds and disputes may be told of before it."""
    event, order_id = world.event(), pen.text("o")
    own = {"event_id": event, "order_id": order_id}
    completed, quantity = pen.moment(), pen.rng.choice([1, 1, 2, 2, 3, 10, 10_000])
    if pen.chance(0.7):
        started = completed - timedelta(hours=completed.year > 1)
        pen.tell("ticket-sales", "checkout_started", started, own, event)
    for name, time, more in _sale(pen, world, completed, quantity):
        pen.tell("ticket-sales", name, time, own | more, event)


def _sale(pen: Pen, world: World, completed: datetime, quantity: int) -> Iterator[tuple[str, datetime, dict[str, Any]]]:
    rng, currency, amount = pen.rng, pen.rng.choice(CURRENCIES), pen.rng.choice(_AMOUNTS)
    for attempt in range(rng.choice([0, 1, 1, 1, 1, 1, 1, 1, 2, 3])):
        data = {"quantity": quantity, "amount": amount, "currency": currency, "ticket_type": rng.choice(_TYPES)}
        data |= {"sponsor_id": rng.choice([None, world.sponsor()])} if pen.chance(0.3) else {"channel": "web"}
        if attempt:
            data |= {"currency": rng.choice(CURRENCIES), "quantity": rng.randrange(1, 20)}
        yield "order_completed", completed if pen.chance(0.8) else pen.later(completed, 2), data
    while pen.chance(0.15):
        refund = {
            "refunded_quantity": rng.randrange(quantity + 1),
            "refunded_amount": rng.choice([amount, "1", "0.01"]),
        }
        told_in = currency if pen.chance(0.85) else rng.choice(CURRENCIES)
        yield "order_refunded", pen.later(completed, 40), {**refund, "currency": told_in}
    while pen.chance(0.07):
        yield "dispute_closed", pen.later(completed, 60), {"outcome": rng.choice(["won", "lost"])}
    for _ in range(rng.randrange(3)):
        yield "attendee_checked_in", pen.later(completed, 20), {"ticket_id": rng.choice(["t-1", pen.text("t")])}


Story = Callable[[Pen, World], None]
STORIES: list[tuple[Story, float]] = [(email, 12), (activity, 25), (visit, 12), (order, 10)]
"""What may happen, and how often."""
