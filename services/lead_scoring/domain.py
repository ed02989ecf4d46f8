"""How promising a lead is: what a sponsor did, and how well they suit the event. Pure, and integers only.

A lead is a pair (sponsor, event). Its two axes are never mixed: fit (fit.py), which does not decay, and
engagement, which does, and is kept in thousandths of a point, *millipoints*, until the very end.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import orjson

from contracts.derived import LeadScoreChanged, lead_key
from services.lead_scoring.decay import FACTOR_BITS
from services.lead_scoring.fit import Event, Fit, Proposal
from services.lead_scoring.rules import Grade, Priority, Rules, Signal
from services.runtime.effects import Derived

Pair = tuple[str, str]
"""(sponsor, event)."""

Count = tuple[str, date, int]
"""(signal, UTC day, n): how often a signal was seen that day; n is above 0."""

GATE_SIGNALS = frozenset({"email_unsubscribed", "email_complained"})
"""While a sponsor has one of these, no e-mail goes to them."""

TOP_FACTORS = 5

COMPLETENESS = ("0.00", "0.14", "0.29", "0.43", "0.57", "0.71", "0.86", "1.00")
"""The share of the seven inputs of fit that are known, by how many are."""


def contribution(signal: Signal, age: int, n: int) -> int:
    """The millipoints of `n` signals of one day, `age` days ago."""
    return ((1 if signal.per == "day" else n) * signal.worth[age]) >> FACTOR_BITS


class Engagement(NamedTuple):
    """What counts are worth: points (0 to 100), millipoints by group, cut at its limit, by signal, uncut."""

    points: int
    groups: dict[str, int]
    factors: dict[str, int]


def engagement(counts: Iterable[Count], as_of: date, rules: Rules) -> Engagement:
    """Weigh counts at the end of the UTC day `as_of`. Days to come count as that day."""
    signals = rules.signals
    factors: dict[str, int] = {}
    for name, day, n in counts:
        millipoints = contribution(signals[name], (as_of - day).days, n)
        factors[name] = factors.get(name, 0) + millipoints
    groups = dict.fromkeys(rules.groups, 0)
    for name, millipoints in factors.items():
        groups[signals[name].group] += millipoints
    total = 0
    for name, group in rules.groups.items():
        groups[name] = min(groups[name], group.limit)
        total += groups[name] if group.floor is None else -groups[name]
    return Engagement(min(100, (max(0, total) + 500) // 1000), groups, factors)


def all_counts(by_event: Mapping[str | None, Sequence[Count]]) -> Iterable[Count]:
    """Add up the counts of a sponsor across events and those without one."""
    if len(by_event) == 1:
        return next(iter(by_event.values()))
    total: dict[tuple[str, date], int] = {}
    for counts in by_event.values():
        for signal, day, n in counts:
            total[signal, day] = total.get((signal, day), 0) + n
    return [(signal, day, n) for (signal, day), n in total.items()]


def do_not_email(by_event: Mapping[str | None, Sequence[Count]]) -> bool:
    """Whether the sponsor's gate is closed: by any message to them, about whatever event."""
    return any(signal in GATE_SIGNALS for counts in by_event.values() for signal, _, _ in counts)


def grade(fit: int, engagement: int, rules: Rules) -> Grade:
    """A letter for fit and a digit for engagement: A1 is best, D3 last."""
    return f"{rules.grades.letters[fit]}{rules.grades.digits[engagement]}"  # type: ignore[return-value]


def top_factors(factors: Mapping[str, int], rules: Rules) -> list[dict[str, Any]]:
    """The signals that move a lead most, as {signal, millipoints}; below 0 where they take away."""
    greatest = sorted((-millipoints, name) for name, millipoints in factors.items() if millipoints)
    return [
        {"signal": name, "millipoints": negated if name in rules.negative_signals else -negated}
        for negated, name in greatest[:TOP_FACTORS]
    ]


class Standing(NamedTuple):
    """What others were last told of a lead."""

    score: int
    priority: str


class PairFacts(NamedTuple):
    """What is known of a pair beside its counts; similarity is in points. None for what there is not."""

    event: Event | None
    proposal: Proposal | None
    similarity: int | None
    standing: Standing | None


class Lead(NamedTuple):
    """A row of sponsor_lead_scores, without its key and the time at which it was written.

    `insights` say why: both axes, groups in millipoints, the gate, top factors, and the rules and day used.
    """

    score: int
    priority: Priority
    conversion_probability: Decimal
    recommended_actions: Sequence[str]
    insights: dict[str, Any]


def lead(counts: Sequence[Count], fit: Fit, gate_closed: bool, as_of: date, rules: Rules) -> Lead:
    """Score one pair by its counts, of which there is at least one, its fit, and its sponsor's gate."""
    engaged = engagement(counts, as_of, rules)
    graded = grade(fit.points, engaged.points, rules)
    priority = rules.priority_of[graded]
    return Lead(
        score=(rules.weights.fit * fit.points + rules.weights.engagement * engaged.points + 50) // 100,
        priority=priority,
        conversion_probability=rules.conversion_probability[graded],
        recommended_actions=rules.actions_of[priority, gate_closed],
        insights={
            "fit": fit.points,
            "fit_completeness": COMPLETENESS[fit.known],
            "engagement": engaged.points,
            "grade": graded,
            "groups": engaged.groups,
            "do_not_email": gate_closed,
            "rules_version": rules.version,
            "as_of": as_of.isoformat(),
            "top_factors": top_factors(engaged.factors, rules),
        },
    )


def changed(pair: Pair, previous: Standing | None, current: Lead) -> Derived | None:
    """Tell that a lead is new, or that its score or priority moved; None when neither is so."""
    if previous == (current.score, current.priority):
        return None
    why = current.insights
    data = {
        "sponsor_id": pair[0],
        "event_id": pair[1],
        "score": current.score,
        "priority": current.priority,
        "grade": why["grade"],
        "fit": why["fit"],
        "engagement": why["engagement"],
        "conversion_probability": str(current.conversion_probability),
        "previous_score": previous and previous.score,
        "previous_priority": previous and previous.priority,
        "top_factors": why["top_factors"],
        "rules_version": why["rules_version"],
        "as_of": why["as_of"],
    }  # as LeadScoreChanged has it, which a test checks: validating each one would cost as much as scoring it
    return Derived(LeadScoreChanged.TOPIC.name, lead_key(*pair), LeadScoreChanged.TYPE, orjson.dumps(data))


def tombstone(pair: Pair) -> Derived:
    """Tell that a pair is no lead any more: compaction forgets its scores."""
    return Derived(LeadScoreChanged.TOPIC.name, lead_key(*pair), None, None)
