"""Records that must be refused: one for every rule that they can break, and some that only look as if they did."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from tests.support.season.pen import END, FAMILIES, Pen
from tests.support.season.world import World

Event = dict[str, Any]
_LARGEST = 65_536
_NOT_JSON = [
    None, "", " ", "{", "{}x", "'", "\ufeff{}", '{"a": NaN}', "-Infinity", "1e999", '{"a": 1' + "0" * 400 + "}",
    '"\\ud800"', '{"\\udfff": 1}', '{"a": "\\u0000"}', '{"\\u0000": 1}', "\udcff", '"\udc80"', '{"a": 01}', '"\t"',
    "[" * 2000 + "]" * 2000,
]  # fmt: skip
_NO_ENVELOPE: list[Event | str] = [
    {"specversion": 1.0}, {"specversion": "1.1"}, {"specversion": None}, {"id": ""}, {"id": 7}, {"id": "x" * 256},
    {"source": None}, {"source": ""}, {"type": None}, {"type": 1}, {"data": None}, {"data": []}, {"data": "{}"},
    {"time": None}, {"time": 1767225600}, {"time": "2025-10-01 09:30:00Z"}, {"time": "2025-10-01T09:30Z"},
    {"time": "2025-10-01T09:30:00"}, {"time": "2025-10-01T09:30:60Z"}, {"time": "2025-02-29T09:30:00Z"},
    {"time": "2025-10-01T24:00:00Z"}, {"time": "2025-10-01T09:30:00+24:00"}, {"time": "2025-10-01T09:30:00+0200"},
    {"time": "2025-10-01T09:30:00.Z"}, {"time": "0001-01-01T00:00:00+00:01"}, {"time": "２025-10-01T09:30:00Z"},
    "null", "[1, 2, 3]", '"text"', "17",
]  # fmt: skip
_NO_TYPES = ["eventos.sponsor.teleported.v1", "eventos.email.sent.v2", "", "eventos.lead_score.changed.v1", "x" * 300]
_ORDER: Event = {"order_id": "o", "quantity": 1, "amount": "1", "currency": "USD", "ticket_type": "t"}
_NO_DATA: dict[str, list[tuple[str, Event]]] = {
    "sponsor-activity": [
        ("website_visited", {"sponsor_id": None}), ("website_visited", {"event_id": "not-a-uuid"}),
        ("proposal_viewed", {"proposal_id": "{00000000-0000-0000-0000-000000000000}"}),
        ("note_added", {"metadata": []}), ("note_added", {"sponsor_id": "0" * 32}), ("note_added", {"event_id": ""}),
        ("sponsorship_signed", {}),
        ("sponsorship_signed", {"package_level": "gold", "amount": "1,00", "currency": "USD"}),
        ("sponsorship_signed", {"package_level": "gold", "amount": "1.00", "currency": "usd"}),
        ("sponsorship_signed", {"package_level": "", "amount": "1.00", "currency": "USD"}),
    ],
    "email-engagement": [
        ("sent", {}), ("sent", {"message_id": ""}), ("sent", {"message_id": "m" * 256}), ("sent", {"message_id": 1}),
        ("bounced", {"message_id": "m"}), ("bounced", {"message_id": "m", "bounce_kind": "medium"}),
        ("opened", {"message_id": "m", "machine": "true"}), ("clicked", {"message_id": "m", "machine": 1}),
        ("replied", {"message_id": "m", "url": ""}), ("sent", {"message_id": "m", "campaign_id": "urn:uuid:0"}),
    ],
    "ticket-sales": [
        ("page_viewed", {}), ("order_refunded", {"order_id": "o"}), ("attendee_checked_in", {"order_id": "o"}),
        ("dispute_closed", {"order_id": "o", "outcome": "Won"}), ("checkout_started", {"order_id": None}),
        *(("order_completed", {**_ORDER, "quantity": n}) for n in (0, 10_001, "3", 1.0, True, None, -1)),
        *(("order_completed", {**_ORDER, "amount": amount})
          for amount in (1, "12345678901", "1.234", "1.", ".5", "-1", "+1", "1e2", " 1", "١", "")),
        ("order_refunded", {"order_id": "o", "refunded_quantity": -1, "refunded_amount": "1", "currency": "USD"}),
    ],
}  # fmt: skip


def spoil(pen: Pen, world: World) -> None:
    """Write one record with something wrong, or almost."""
    topic = pen.rng.choice(list(FAMILIES))
    ways, weights = zip(*_WAYS, strict=True)
    pen.rng.choices(ways, weights)[0](pen, world, topic)


def _good(pen: Pen, world: World, topic: str, **more: Any) -> Event:
    name, data = {
        "sponsor-activity": ("website_visited", {"sponsor_id": world.sponsor(), "event_id": world.event()}),
        "email-engagement": ("sent", {"message_id": pen.text("m"), "sponsor_id": world.sponsor()}),
        "ticket-sales": ("page_viewed", {"event_id": world.event(), "session_id": "s"}),
    }[topic]
    return pen.envelope(topic, name, pen.moment(), data | more)


def _put(pen: Pen, topic: str, value: str | None) -> None:
    pen.put(topic, f"key-{pen.rng.randrange(99)}", value, pen.moment())


def _oversized(pen: Pen, world: World, topic: str) -> None:
    """One byte too many, or exactly as many as are allowed."""
    event = _good(pen, world, topic, unknown="")
    room = _LARGEST - len(json.dumps(event).encode()) + pen.rng.randrange(2)
    event["data"]["unknown"] = "x" * room
    _put(pen, topic, json.dumps(event))


def _not_json(pen: Pen, world: World, topic: str) -> None:
    _put(pen, topic, pen.rng.choice(_NOT_JSON))


def _no_envelope(pen: Pen, world: World, topic: str) -> None:
    wrong = pen.rng.choice(_NO_ENVELOPE)
    if isinstance(wrong, str):
        _put(pen, topic, wrong)
        return
    event = {**_good(pen, world, topic), **wrong}
    if pen.chance(0.2):
        del event[min(wrong)]
    _put(pen, topic, json.dumps(event))


def _no_type(pen: Pen, world: World, topic: str) -> None:
    of_another = next(family for other, family in FAMILIES.items() if other != topic)
    types = [*_NO_TYPES, f"eventos.{of_another}.sent.v1", "eventos.support.question_asked.v1"]
    _put(pen, topic, json.dumps({**_good(pen, world, topic), "type": pen.rng.choice(types)}))


def _no_data(pen: Pen, world: World, topic: str) -> None:
    name, wrong = pen.rng.choice(_NO_DATA[topic])
    known = {"sponsor-activity": {"sponsor_id": world.sponsor()}, "email-engagement": {}}
    data = {**known.get(topic, {"event_id": world.event()}), **wrong}
    _put(pen, topic, json.dumps(pen.envelope(topic, name, pen.moment(), data)))


def _future(pen: Pen, world: World, topic: str) -> None:
    """Just too late; what is exactly at the end of the season is not."""
    time = END + timedelta(microseconds=pen.rng.choice([0, 1, 10**9]))
    _put(pen, topic, json.dumps({**_good(pen, world, topic), "time": pen.told(time)}))


def _unknown(pen: Pen, world: World, topic: str) -> None:
    """An id without a row; the identity is not claimed, so a good event may have it later, or before."""
    field = "sponsor_id" if topic != "ticket-sales" and pen.chance(0.5) else "event_id"
    event = _good(pen, world, topic)
    _put(pen, topic, json.dumps({**event, "data": {**event["data"], field: pen.uuid()}}))
    if pen.chance(0.3):
        _put(pen, topic, json.dumps(event))


_WAYS: list[tuple[Callable[[Pen, World, str], None], float]] = [
    (_oversized, 0.5), (_not_json, 3), (_no_envelope, 4), (_no_type, 2), (_no_data, 6), (_future, 1), (_unknown, 3),
]  # fmt: skip
