"""Fit: does this sponsor suit this event? 0 to 100, from rows that the CRM owns, without decay. Pure.

Each of the seven inputs gives points, or is unknown and gives the rules' points for that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import floor, fsum, isnan
from operator import mul
from typing import NamedTuple, TypeVar

from services.lead_scoring.rules import FitRules, Match, Rules

COSINE_ERROR = 0.001
"""More than the error of a cosine that pgvector sums in single precision: 2·10⁻⁴ with 1,536 dimensions."""

N = TypeVar("N", int, Decimal)

Known = tuple[int, bool]
"""The points of an input, and whether it was known."""


@dataclass(frozen=True, slots=True)
class Sponsor:
    """What fit reads of a sponsor: budgets in `currency`, the renewal rate in percent, the ROI as a ratio."""

    industry: str
    industries_of_interest: frozenset[str]
    event_types: frozenset[str]
    geographic_preferences: frozenset[str]
    values: frozenset[str]
    min_budget: Decimal | None
    max_budget: Decimal | None
    currency: str | None
    total_sponsorships: int | None
    renewal_rate: Decimal | None
    average_roi: Decimal | None


@dataclass(frozen=True, slots=True)
class Event:
    """What fit reads of an event."""

    industry: str | None
    event_type: str | None
    location: str | None
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class Proposal:
    """What fit reads of a pair's newest proposal."""

    amount: Decimal | None
    currency: str | None


class Fit(NamedTuple):
    """Points, 0 to 100, and how many of the seven inputs were known."""

    points: int
    known: int


def fit(sponsor: Sponsor, event: Event, proposal: Proposal | None, similarity: int | None, rules: Rules) -> Fit:
    """Add up the seven inputs; `similarity` is in points, None without both embeddings."""
    table = rules.fit
    inputs = (
        _industry(sponsor, event, table),
        _among(event.event_type, sponsor.event_types, table.event_type),
        _budget(sponsor, proposal, rules),
        (_track_record(sponsor, table), True),
        _among(event.location, sponsor.geographic_preferences, table.location),
        _values(sponsor, event, table),
        (table.similarity.unknown, False) if similarity is None else (similarity, True),
    )
    return Fit(min(100, sum(points for points, _ in inputs)), sum(known for _, known in inputs))


def _among(value: str | None, wanted: frozenset[str], table: Match) -> Known:
    if value is None or not wanted:
        return table.unknown, False
    return table.match if value in wanted else 0, True


def _industry(sponsor: Sponsor, event: Event, table: FitRules) -> Known:
    points, known = _among(event.industry, sponsor.industries_of_interest, table.industry)
    if known and not points and event.industry == sponsor.industry:
        return table.industry.own_industry, True
    return points, known


def _budget(sponsor: Sponsor, proposal: Proposal | None, rules: Rules) -> Known:
    table, most = rules.fit.budget, sponsor.max_budget
    if proposal is None or proposal.amount is None or most is None or proposal.currency != sponsor.currency:
        return table.unknown, False
    if proposal.amount > most:
        return table.near if proposal.amount <= most * table.near_factor else 0, True
    return table.inside if proposal.amount >= (sponsor.min_budget or 0) else 0, True


def _track_record(sponsor: Sponsor, table: FitRules) -> int:
    record = table.track_record
    return (
        _reached(sponsor.total_sponsorships, record.sponsorships)
        + _reached(sponsor.renewal_rate, record.renewal_rate)
        + _reached(sponsor.average_roi, record.average_roi)
    )


def _reached(value: N | None, steps: Mapping[N, int]) -> int:
    """The points of the highest step that `value` reaches; 0 below all of them, and for None."""
    if value is None:
        return 0
    return next((points for step, points in steps.items() if value >= step), 0)


def _values(sponsor: Sponsor, event: Event, table: FitRules) -> Known:
    if not sponsor.values or not event.values:
        return table.values.unknown, False
    shared = len(sponsor.values & event.values)
    return (0, table.values.one, table.values.two_or_more)[min(shared, 2)], True


def similarity_points(cosine: float, most: int) -> int | None:
    """Round `most` × max(0, cosine) half up, or return None where the cosine's error could decide.

    pgvector sums in single precision, in an order that depends on the processor. Equal facts must give equal
    rows everywhere, so close to a half the vectors themselves have to be compared.
    """
    points = most * max(0.0, cosine)
    if isnan(cosine) or abs(points % 1 - 0.5) <= most * COSINE_ERROR:
        return None
    return floor(points + 0.5)


def exact_similarity_points(sponsor: Sequence[float], event: Sequence[float], most: int) -> int:
    """Round `most` × max(0, cosine) half up, equally on every machine; a vector of zeros is like nothing.

    Components are single-precision numbers: their products are exact as doubles, and fsum rounds a sum once.
    """
    dot = Fraction(fsum(map(mul, sponsor, event)))
    squares = Fraction(fsum(map(mul, sponsor, sponsor))) * Fraction(fsum(map(mul, event, event)))
    if dot <= 0:
        return 0
    return sum((2 * most * dot) ** 2 >= (2 * half - 1) ** 2 * squares for half in range(1, most + 1))
