"""Lead scores from counted signals and core rows: scoring.md and version 1 of its rules, written down again."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction
from functools import cache
from math import floor, isqrt
from typing import Any

Row = Mapping[str, Any]
Signals = Mapping[tuple[str, date], int]
"""(signal, UTC day) → how often."""

_CAPS = {"email": 20, "content": 30, "intent": 50, "event": 10, "negative": 60}
SIGNALS = {
    "email_opened": ("email", 1, 7, False), "email_clicked": ("email", 4, 14, False),
    "email_replied": ("email", 12, 30, False),
    "website_visited": ("content", 1, 7, True), "package_viewed": ("content", 5, 14, True),
    "proposal_viewed": ("content", 6, 14, True), "deck_downloaded": ("content", 8, 30, False),
    "enquiry_submitted": ("intent", 25, 60, False), "meeting_booked": ("intent", 20, 30, False),
    "meeting_held": ("intent", 25, 45, False), "intent_letter_received": ("intent", 35, 60, False),
    "ticket_order": ("event", 8, 60, False),
    "meeting_missed": ("negative", 10, 30, False), "email_hard_bounced": ("negative", 10, 90, False),
    "email_unsubscribed": ("negative", 20, 180, False), "proposal_declined": ("negative", 30, 120, False),
    "email_complained": ("negative", 60, 365, False),
}  # fmt: skip
"""Signal → group, points, half-life in days, whether a day counts once."""
_PRIORITIES = {
    "A1": "hot", "A2": "hot", "B1": "hot", "A3": "warm", "B2": "warm", "C1": "warm",
    "B3": "nurture", "C2": "nurture", "D1": "nurture", "C3": "cold", "D2": "cold", "D3": "cold",
}  # fmt: skip
_PROBABILITIES = {
    "A1": "0.60", "A2": "0.40", "A3": "0.15", "B1": "0.45", "B2": "0.25", "B3": "0.10",
    "C1": "0.25", "C2": "0.12", "C3": "0.05", "D1": "0.10", "D2": "0.05", "D3": "0.02",
}  # fmt: skip


@cache
def factor(half_life: int, age: int) -> int:
    """What is left after `age` days, in 2^-20."""
    with localcontext() as context:
        context.prec = 50
        left = Decimal(2**20) * (Decimal(2) ** (Decimal(-age) / Decimal(half_life)))
        return int(left.to_integral_value(ROUND_HALF_EVEN))


def engagement(signals: Signals, as_of: date) -> tuple[dict[str, int], int]:
    """Groups in millipoints, each cut at its cap, and the engagement that they make together."""
    groups: Counter[str] = Counter(dict.fromkeys(_CAPS, 0))
    for (signal, day), n in signals.items():
        group, points, half_life, per_day = SIGNALS[signal]
        if n > 0:
            times = 1 if per_day else n
            groups[group] += times * points * 1000 * factor(half_life, max(0, (as_of - day).days)) // 2**20
    cut = {group: min(groups[group], cap * 1000) for group, cap in _CAPS.items()}
    left = max(0, cut["email"] + cut["content"] + cut["intent"] + cut["event"] - cut["negative"])
    return cut, min(100, (left + 500) // 1000)


def lead(
    sponsor: Row, event: Row, proposal: Row | None, signals: Signals, as_of: date, *, do_not_email: bool
) -> dict[str, Any]:
    """The row of one pair."""
    groups, engaged = engagement(signals, as_of)
    fitting = fit(sponsor, event, proposal)
    letter = next(letter for letter, least in (("A", 75), ("B", 55), ("C", 35), ("D", 0)) if fitting >= least)
    grade = letter + ("1" if engaged >= 60 else "2" if engaged >= 25 else "3")
    return {
        "sponsor_id": sponsor["id"],
        "event_id": event["id"],
        "fit": fitting,
        "engagement": engaged,
        "grade": grade,
        "score": (45 * fitting + 55 * engaged + 50) // 100,
        "priority": _PRIORITIES[grade],
        "conversion_probability": _PROBABILITIES[grade],
        "groups": groups,
        "do_not_email": do_not_email,
    }


def fit(sponsor: Row, event: Row, proposal: Row | None) -> int:
    """How well a sponsor suits an event, 0 to 100."""
    parts = [
        _industry(sponsor, event),
        _listed(sponsor.get("event_types"), event.get("event_type"), match=20, unknown=10),
        _budget(sponsor, proposal),
        _track_record(sponsor),
        _listed(sponsor.get("geographic_preferences"), event.get("location"), match=10, unknown=5),
        _values(set(sponsor.get("values") or ()), set(event.get("values") or ())),
        _similarity(sponsor.get("embedding"), event.get("embedding")),
    ]
    return min(100, sum(parts))


def _industry(sponsor: Row, event: Row) -> int:
    found = _listed(sponsor.get("industries_of_interest"), event.get("industry"), match=20, unknown=10)
    return 12 if found == 0 and event["industry"] == sponsor["industry"] else found


def _listed(wanted: list[str] | None, value: str | None, *, match: int, unknown: int) -> int:
    if not wanted or value is None:
        return unknown
    return match if value in wanted else 0


def _budget(sponsor: Row, proposal: Row | None) -> int:
    most = sponsor.get("max_budget")
    if proposal is None or proposal.get("proposed_amount") is None or most is None:
        return 10
    if (proposal.get("currency") or "USD") != (sponsor.get("currency") or "USD"):
        return 10
    amount, least = Decimal(proposal["proposed_amount"]), Decimal(sponsor.get("min_budget") or 0)
    if amount > Decimal(most):
        return 10 if amount <= Decimal("1.20") * Decimal(most) else 0
    return 20 if amount >= least else 0


def _track_record(sponsor: Row) -> int:
    renewal, roi = Decimal(sponsor.get("renewal_rate") or 0), Decimal(sponsor.get("average_roi") or 0)
    points = (0, 3, 5, 7)[min(3, sponsor.get("total_sponsorships") or 0)]
    points += 4 if renewal >= 50 else 2 if renewal >= 25 else 0
    return points + (4 if roi >= 2 else 2 if roi >= 1 else 0)


def _values(wanted: set[str], lived: set[str]) -> int:
    if not wanted or not lived:
        return 5
    return (0, 5, 10)[min(2, len(wanted & lived))]


def _similarity(one: list[float] | None, other: list[float] | None) -> int:
    if one is None or other is None:
        return 2
    a, b = [Fraction(x) for x in one], [Fraction(x) for x in other]
    dot = sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0))
    squares = sum((x * x for x in a), Fraction(0)) * sum((x * x for x in b), Fraction(0))
    scale = 10**12
    length = Fraction(isqrt(floor(squares * scale * scale)), scale)
    return floor(5 * max(Fraction(0), dot / length) + Fraction(1, 2))


def newest_proposals(proposals: list[dict[str, Any]]) -> dict[tuple[str, str], Row]:
    """The newest proposal of each pair."""
    of_pair: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for proposal in proposals:
        of_pair[proposal["sponsor_id"], proposal["event_id"]].append(proposal)
    return {pair: max(own, key=_age) for pair, own in of_pair.items()}


def _age(proposal: Row) -> tuple[datetime, str]:
    return datetime.fromisoformat(proposal["created_at"]), proposal["id"]
