"""What a record is: a fact, or the reason that it is refused for."""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple, NoReturn

_LARGEST, _DEEPEST = 65_536, 250
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MONEY = re.compile(r"[0-9]{1,10}(\.[0-9]{1,2})?")
_CURRENCY = re.compile(r"[A-Z]{3}")

_SPONSOR = {"sponsor_id": "uuid", "event_id": "uuid?", "proposal_id": "uuid?", "metadata": "object?"}
_SIGNED = {**_SPONSOR, "event_id": "uuid", "package_level": "text", "amount": "money", "currency": "currency"}
_EMAIL = {
    "message_id": "text", "sponsor_id": "uuid?", "event_id": "uuid?", "campaign_id": "uuid?",
    "template_id": "uuid?", "sequence_id": "uuid?", "recipient_hash": "text?", "url": "text?",
}  # fmt: skip
_ORDER = {"event_id": "uuid", "order_id": "text"}
_COMPLETED = {
    **_ORDER, "quantity": "1-10000", "amount": "money", "currency": "currency", "ticket_type": "text",
    "sponsor_id": "uuid?", "channel": "text?",
}  # fmt: skip
_REFUNDED = {**_ORDER, "refunded_quantity": "0-10000", "refunded_amount": "money", "currency": "currency"}
_ACTIVITIES = (
    "website_visited", "package_viewed", "proposal_viewed", "deck_downloaded", "enquiry_submitted", "meeting_booked",
    "meeting_held", "meeting_missed", "intent_letter_received", "proposal_declined", "note_added",
)  # fmt: skip
_PLAIN_EMAILS = ("sent", "delivered", "replied", "complained", "unsubscribed")
FIELDS: dict[str, dict[str, dict[str, str]]] = {
    "sponsor-activity": {
        **{f"eventos.sponsor.{name}.v1": _SPONSOR for name in _ACTIVITIES},
        "eventos.sponsor.sponsorship_signed.v1": _SIGNED,
    },
    "email-engagement": {
        **{f"eventos.email.{name}.v1": _EMAIL for name in _PLAIN_EMAILS},
        **{f"eventos.email.{name}.v1": {**_EMAIL, "machine": "flag?"} for name in ("opened", "clicked")},
        "eventos.email.bounced.v1": {**_EMAIL, "bounce_kind": "kind"},
    },
    "ticket-sales": {
        "eventos.ticketing.page_viewed.v1": {"event_id": "uuid", "session_id": "text"},
        "eventos.ticketing.checkout_started.v1": _ORDER,
        "eventos.ticketing.order_completed.v1": _COMPLETED,
        "eventos.ticketing.order_refunded.v1": _REFUNDED,
        "eventos.ticketing.dispute_closed.v1": {**_ORDER, "outcome": "outcome"},
        "eventos.ticketing.attendee_checked_in.v1": {**_ORDER, "ticket_id": "text"},
    },
}
"""Topic → type → the fields of its data in the documented order, with what each must be; `?` may be null or absent."""


class Fact(NamedTuple):
    """An event as it was published. `content` is equal for equal type, instant and data."""

    topic: str
    source: str
    id: str
    name: str
    time: datetime
    data: dict[str, Any]
    content: str

    @property
    def rank(self) -> tuple[datetime, bytes, bytes]:
        """What settles every tie."""
        return self.time, self.source.encode(), self.id.encode()

    def uuid(self, field: str) -> str | None:
        """An id of the data in lower case, None where there is none."""
        value = self.data.get(field)
        return value.lower() if value is not None else None


def read(record: Mapping[str, Any], latest: datetime) -> Fact | str:
    """Judge a record by itself, without looking at what exists or was applied before."""
    value, headers = record["value"], record.get("headers") or {}
    raw = b"" if value is None else value.encode("utf-8", "surrogatepass")
    if len(raw) > _LARGEST:
        return "oversized"
    try:
        document = _parse(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        return "not_json"
    if "ce_specversion" in headers:
        envelope = {name[3:]: text for name, text in headers.items() if name.startswith("ce_")} | {"data": document}
    elif isinstance(document, dict):
        envelope = document
    else:
        return "invalid_envelope"
    time = _time(envelope.get("time"))
    named = envelope.get("specversion") == "1.0" and _is("text", envelope.get("id"))
    named = named and _is("text", envelope.get("source")) and isinstance(envelope.get("type"), str)
    data = envelope.get("data")
    if not named or time is None or not isinstance(data, dict):
        return "invalid_envelope"
    fields = FIELDS[record["topic"]].get(envelope["type"])
    if fields is None:
        return "unknown_type"
    for field, kind in fields.items():
        if not (kind.endswith("?") and data.get(field) is None) and not _is(kind.rstrip("?"), data.get(field)):
            return "invalid_data"
    if time > latest:
        return "time_in_future"
    content = json.dumps([envelope["type"], time.isoformat(), data], sort_keys=True)
    name = envelope["type"].split(".")[2]
    return Fact(record["topic"], envelope["source"], envelope["id"], name, time, data, content)


def _is(kind: str, value: Any) -> bool:
    if kind in ("1-10000", "0-10000"):
        return type(value) is int and int(kind[0]) <= value <= 10_000
    if kind in ("flag", "object"):
        return isinstance(value, bool if kind == "flag" else dict)
    if not isinstance(value, str):
        return False
    if kind == "text":
        return 1 <= len(value) <= 255
    if kind in ("kind", "outcome"):
        return value in (("hard", "soft") if kind == "kind" else ("won", "lost"))
    pattern = {"uuid": _UUID, "money": _MONEY, "currency": _CURRENCY}[kind]
    return pattern.fullmatch(value) is not None


def _time(text: Any) -> datetime | None:
    found = _TIME.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    day, clock, fraction, sign, hours, minutes = found.groups()
    if int(hours or 0) > 23 or int(minutes or 0) > 59:
        return None
    ahead = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        local = datetime.fromisoformat(f"{day}T{clock}.{fraction or '0':0<6.6}+00:00")
        return local + ahead if sign == "-" else local - ahead
    except (ValueError, OverflowError):
        return None


def _parse(text: str) -> Any:
    document = json.loads(text, parse_constant=_refuse, parse_float=_number, parse_int=_integer, object_pairs_hook=_map)
    _check(document, 1)
    return document


def _map(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    for _, value in pairs:  # also of what a later value of the same key hides
        if isinstance(value, str):
            _check(value, 1)
    return dict(pairs)


def _check(value: Any, depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError("nested too deep")
    if isinstance(value, str) and ("\0" in value or value.encode() is None):
        raise ValueError("U+0000")
    if isinstance(value, dict):
        for key, member in value.items():
            _check(key, depth)
            _check(member, depth + 1)
    elif isinstance(value, list):
        for member in value:
            _check(member, depth + 1)


def _integer(digits: str) -> int:
    _number(digits)
    return int(digits)


def _number(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError("overflow")
    return number


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
