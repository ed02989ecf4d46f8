"""Moments that options name: a time, or how long ago."""

import re
from datetime import UTC, datetime, timedelta

from services.operator.output import WRONG_USAGE, Failure

_AGO = re.compile(r"([0-9]+)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment(text: str) -> datetime:
    """Read `2026-10-01`, `2026-10-01T09:30:00Z` (UTC unless it says otherwise), or `90s`, `30m`, `24h`, `7d` ago."""
    if ago := _AGO.fullmatch(text):
        return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        remedy = "Write it like 2026-10-01T09:30:00Z, or like 90s, 30m, 24h or 7d for so long ago."
        raise Failure(f"{text!r} is no time", remedy=remedy, code=WRONG_USAGE) from None
    return given if given.tzinfo else given.replace(tzinfo=UTC)
