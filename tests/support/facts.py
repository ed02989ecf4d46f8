"""Events for tests of intake services, made the way real ones are: decoded from a record's value."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import orjson

from contracts.envelope import Event, decode
from contracts.topics import EMAIL_ENGAGEMENT, SPONSOR_ACTIVITY, TICKET_SALES, Topic

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
_numbers = count()


def ticketing(
    name: str, *, minute: float = 0, id: str | None = None, source: str = "/box-office", **data: Any
) -> Event[Any]:
    """Make a ticketing event that happened `minute` minutes after NOON."""
    return _decoded(TICKET_SALES, f"eventos.ticketing.{name}.v1", minute, id, source, data)


def activity(name: str, *, minute: float = 0, id: str | None = None, source: str = "/crm", **data: Any) -> Event[Any]:
    """Make a sponsor's activity that happened `minute` minutes after NOON."""
    return _decoded(SPONSOR_ACTIVITY, f"eventos.sponsor.{name}.v1", minute, id, source, data)


def email(name: str, *, minute: float = 0, id: str | None = None, source: str = "/mailer", **data: Any) -> Event[Any]:
    """Make an e-mail event, of the message `m-1` unless `data` says another, `minute` minutes after NOON."""
    return _decoded(EMAIL_ENGAGEMENT, f"eventos.email.{name}.v1", minute, id, source, {"message_id": "m-1", **data})


def _decoded(topic: Topic, type: str, minute: float, id: str | None, source: str, data: dict[str, Any]) -> Event[Any]:
    value = {
        "specversion": "1.0",
        "id": id or f"{next(_numbers):08}",
        "source": source,
        "type": type,
        "time": (NOON + timedelta(minutes=minute)).isoformat(),
        "data": data,
    }
    event = decode(topic, orjson.dumps(value), [], LATEST)
    assert isinstance(event, Event), event
    return event
