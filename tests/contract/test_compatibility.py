"""BACKWARD_TRANSITIVE: what may change in a schema, and what may not because stored events would become unreadable."""

from copy import deepcopy
from typing import Any

import pytest

from contracts import generate
from contracts.compatibility import breaks

TYPE = "eventos.ticketing.order_completed.v1"
NOW = generate.schemas()
ORDER: Any = NOW["ticket-sales"][TYPE]


def _release(**fields: Any) -> dict[str, dict[str, Any]]:
    """The schema of completed orders with some fields of data replaced, or taken away where None."""
    schema = deepcopy(ORDER)
    properties = schema["properties"]["data"]["properties"]
    properties.update(fields)
    schema["properties"]["data"]["properties"] = {name: field for name, field in properties.items() if field}
    return {"ticket-sales": {TYPE: schema}}


def _requiring(*fields: str) -> dict[str, dict[str, Any]]:
    release = _release()
    release["ticket-sales"][TYPE]["properties"]["data"]["required"] = list(fields)
    return release


BEFORE = _release()
TEXT = {"type": "string", "minLength": 1, "maxLength": 255}
NULL = {"type": "null"}


def test_what_is_released_stays_readable() -> None:
    released = generate.released()

    assert released, "no release is kept"
    assert breaks(released, NOW) == []


def test_a_schema_is_compatible_with_itself() -> None:
    assert breaks({"1": NOW}, NOW) == []


@pytest.mark.parametrize(
    ("after", "fault"),
    [
        (_requiring("event_id", "channel"), "data.channel: is now required"),
        (_release(quantity={"type": "integer", "minimum": 2, "maximum": 10_000}), "quantity: minimum rose from 1 to 2"),
        (_release(quantity={"type": "integer", "minimum": 1, "maximum": 99}), "quantity: maximum fell"),
        (_release(quantity={"type": "string"}), "quantity: was integer, is string"),
        (_release(ticket_type={**TEXT, "maxLength": 80}), "ticket_type: maxLength fell from 255 to 80"),
        (_release(ticket_type={**TEXT, "minLength": 2}), "ticket_type: minLength rose"),
        (_release(ticket_type={**TEXT, "pattern": "^[a-z]+$"}), "ticket_type: pattern changed from none"),
        (_release(ticket_type={**TEXT, "enum": ["standard"]}), "ticket_type: only ['standard'] are accepted"),
        (_release(currency={"type": "string", "pattern": "^EUR$"}), "currency: pattern changed"),
        (_release(channel=TEXT), "channel: null is no longer accepted"),
        (_release(channel={"anyOf": [{**TEXT, "maxLength": 9}, NULL]}), "channel: maxLength fell from 255 to 9"),
        (_release(channel={"anyOf": [{"type": "integer"}, NULL]}), "channel: string is no longer accepted"),
        (_release(quantity={"not": {"const": 3}}), "quantity: cannot compare not"),
        ({"ticket-sales": {}}, "the type is gone"),
        ({"lead-scores": BEFORE["ticket-sales"]}, "the type is gone"),
    ],
)  # fmt: skip
def test_what_narrows_a_schema_is_caught(after: Any, fault: str) -> None:
    [found] = breaks({"1": BEFORE}, after)

    assert fault in found
    assert found.endswith("(released in 1)")


@pytest.mark.parametrize(
    "after",
    [
        _release(voucher={"anyOf": [TEXT, NULL]}),
        _release(channel=None),
        _release(channel={}),
        _release(quantity={"type": "integer", "minimum": 0, "maximum": 20_000}),
        _release(quantity={"type": "number", "minimum": 1}),
        _release(ticket_type={"type": "string"}),
        _release(ticket_type={"anyOf": [TEXT, NULL]}),
        _release(currency={"type": "string", "description": "any"}),
        _requiring("event_id"),
        {**NOW, **BEFORE, "new-topic": {}},
    ],
)
def test_what_widens_a_schema_is_allowed(after: Any) -> None:
    assert breaks({"1": BEFORE}, after) == []


def test_a_listed_value_may_come_but_not_go() -> None:
    two = _release(channel={"type": "string", "enum": ["web", "shop"]})
    three = _release(channel={"type": "string", "enum": ["web", "shop", "phone"]})

    assert breaks({"1": two}, three) == []
    assert breaks({"1": three}, two) == [
        f"ticket-sales: {TYPE}.data.channel: 'phone' is no longer accepted (released in 1)"
    ]


def test_what_lists_hold_is_compared_too() -> None:
    lists = [_release(tags={"type": "array", "items": {"type": kind}}) for kind in ("integer", "number")]

    assert breaks({"1": lists[0]}, lists[1]) == []
    assert breaks({"1": lists[1]}, lists[0]) == [
        f"ticket-sales: {TYPE}.data.tags[]: was number, is integer (released in 1)"
    ]


def test_every_earlier_release_counts_and_not_only_the_last() -> None:
    """A field that was optional once stays optional, whatever a release in between demanded."""
    lax, strict = _requiring("event_id"), _requiring("event_id", "channel")

    assert breaks({"1": lax, "2": strict}, strict) == [
        f"ticket-sales: {TYPE}.data.channel: is now required (released in 1)"
    ]
