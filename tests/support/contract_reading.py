"""The contract read a second time, in the plainest and slowest way: what a record in structured mode should get."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from contracts.refusals import Reason
from contracts.registry import EVENT_TYPES
from contracts.topics import Topic

_UUID = r"(?i:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})"
_RULES: dict[str, Callable[[Any], object]] = {
    "uuid": lambda value: isinstance(value, str) and re.fullmatch(_UUID, value, re.ASCII),
    "text": lambda value: isinstance(value, str) and 1 <= len(value) <= 255,
    "question": lambda value: isinstance(value, str) and 1 <= len(value) <= 4000,
    "money": lambda value: isinstance(value, str) and re.fullmatch(r"[0-9]{1,10}(\.[0-9]{1,2})?", value),
    "currency": lambda value: isinstance(value, str) and re.fullmatch("[A-Z]{3}", value),
    "object": lambda value: isinstance(value, dict),
    "flag": lambda value: isinstance(value, bool),
    "kind": lambda value: value in ("hard", "soft"),
    "outcome": lambda value: value in ("won", "lost"),
    "1–10000": lambda value: type(value) is int and 1 <= value <= 10_000,
    "0–10000": lambda value: type(value) is int and 0 <= value <= 10_000,
}
_SPONSOR = "sponsor_id uuid, event_id uuid?, proposal_id uuid?, metadata object?"
_EMAIL = (
    "message_id text, sponsor_id uuid?, event_id uuid?, campaign_id uuid?, template_id uuid?, sequence_id uuid?, "
    "recipient_hash text?, url text?"
)
_ORDER = "event_id uuid, order_id text"
_FIELDS = {
    "sponsorship_signed": "sponsor_id uuid, event_id uuid, proposal_id uuid?, metadata object?, package_level text, "
    "amount money, currency currency",
    "opened": f"{_EMAIL}, machine flag?",
    "clicked": f"{_EMAIL}, machine flag?",
    "bounced": f"{_EMAIL}, bounce_kind kind",
    "page_viewed": "event_id uuid, session_id text",
    "checkout_started": _ORDER,
    "order_completed": f"{_ORDER}, quantity 1–10000, amount money, currency currency, ticket_type text, "
    "sponsor_id uuid?, channel text?",
    "order_refunded": f"{_ORDER}, refunded_quantity 0–10000, refunded_amount money, currency currency",
    "dispute_closed": f"{_ORDER}, outcome outcome",
    "attendee_checked_in": f"{_ORDER}, ticket_id text",
    "question_asked": "event_id uuid, question_id text, question question, asked_by_hash text?, language text?",
}
_FIELDS_OF_OTHERS = {"sponsor": _SPONSOR, "email": _EMAIL}


def expected_reason(topic: Topic, event: dict[str, Any], latest: datetime) -> Reason | None:
    """Return why an event should be refused, None if it should not; data of derived types is left to its model."""
    text = _RULES["text"]
    time = _time(event.get("time"))
    named = event.get("specversion") == "1.0" and text(event.get("id")) and text(event.get("source"))
    if not (named and isinstance(event.get("type"), str) and time and isinstance(event.get("data"), dict)):
        return Reason.INVALID_ENVELOPE
    known = EVENT_TYPES.get(event["type"])
    if known is None or known.topic.name != topic.name:
        return Reason.UNKNOWN_TYPE
    if not _data_is_valid(event["type"], event["data"]):
        return Reason.INVALID_DATA
    return Reason.TIME_IN_FUTURE if time > latest else None


def _time(text: Any) -> datetime | None:
    grammar = r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))"
    found = re.fullmatch(grammar, text, re.ASCII | re.IGNORECASE) if isinstance(text, str) else None
    if not found:
        return None
    day, clock, fraction, sign, hours, minutes = found.groups()
    if int(hours or 0) > 23 or int(minutes or 0) > 59:
        return None
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        local = datetime.strptime(f"{day} {clock} {fraction or '0':0<6.6}", "%Y-%m-%d %H:%M:%S %f").replace(tzinfo=UTC)
        return local + offset if sign == "-" else local - offset
    except (ValueError, OverflowError):
        return None


def _data_is_valid(name: str, data: dict[str, Any]) -> bool:
    _, family, short, _ = name.split(".")
    if EVENT_TYPES[name].topic.derived:
        try:
            EVENT_TYPES[name].model.model_validate(data)
        except ValueError:
            return False
        return True
    for field in (_FIELDS.get(short) or _FIELDS_OF_OTHERS[family]).split(", "):
        key, rule = field.split()
        if data.get(key) is None and rule.endswith("?"):
            continue
        if not _RULES[rule.rstrip("?")](data.get(key)):
            return False
    return True
