"""Whether a sponsor suits an event: seven inputs, each with points, nothing, or the points for not knowing."""

from dataclasses import replace
from decimal import Decimal
from math import sqrt

import pytest

from services.lead_scoring.fit import (
    Event,
    Fit,
    Proposal,
    Sponsor,
    exact_similarity_points,
    fit,
    similarity_points,
)
from services.lead_scoring.rules import load_rules

RULES = load_rules()
NOTHING = frozenset[str]()
STRANGER = Sponsor("food", NOTHING, NOTHING, NOTHING, NOTHING, None, None, "USD", None, None, None)
SOME_EVENT = Event(None, None, None, NOTHING)
UNKNOWN = Fit(10 + 10 + 10 + 0 + 5 + 5 + 2, 1)
"""All unknown but the track record, which always is known."""


def points(
    sponsor: Sponsor, event: Event = SOME_EVENT, proposal: Proposal | None = None, similarity: int | None = None
) -> tuple[int, int]:
    """What the inputs add to those of a stranger at some event, and how many more are known."""
    result = fit(sponsor, event, proposal, similarity, RULES)
    return result.points - UNKNOWN.points, result.known - UNKNOWN.known


def texts(*values: str) -> frozenset[str]:
    return frozenset(values)


def test_what_is_unknown_has_points_of_its_own() -> None:
    assert fit(STRANGER, SOME_EVENT, None, None, RULES) == UNKNOWN


@pytest.mark.parametrize(
    ("industry", "expected"),
    [("fashion", (20 - 10, 1)), ("food", (12 - 10, 1)), ("Fashion", (-10, 1)), (None, (0, 0))],
)
def test_an_industry_of_interest_is_worth_more_than_ones_own_and_that_more_than_another(
    industry: str | None, expected: tuple[int, int]
) -> None:
    sponsor = replace(STRANGER, industries_of_interest=texts("fashion", "sports"))
    assert points(sponsor, replace(SOME_EVENT, industry=industry)) == expected


def test_without_industries_of_interest_not_even_ones_own_is_known() -> None:
    assert points(STRANGER, replace(SOME_EVENT, industry="food")) == (0, 0)


def test_event_type_and_location_match_or_not() -> None:
    sponsor = replace(STRANGER, event_types=texts("gala"), geographic_preferences=texts("Berlin"))
    assert points(sponsor, replace(SOME_EVENT, event_type="gala", location="Berlin")) == (20 - 10 + 10 - 5, 2)
    assert points(sponsor, replace(SOME_EVENT, event_type="expo", location="berlin")) == (-10 - 5, 2)
    assert points(sponsor) == (0, 0)


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        ("999.99", (-10, 1)),
        ("1000.00", (10, 1)),
        ("5000.00", (10, 1)),
        ("5000.01", (0, 1)),
        ("6000.00", (0, 1)),
        ("6000.01", (-10, 1)),
    ],
)
def test_a_proposal_lies_inside_a_budget_near_above_it_or_outside(amount: str, expected: tuple[int, int]) -> None:
    sponsor = replace(STRANGER, min_budget=Decimal("1000.00"), max_budget=Decimal("5000.00"))
    assert points(sponsor, proposal=Proposal(Decimal(amount), "USD")) == expected


def test_a_budget_without_a_minimum_begins_at_nothing() -> None:
    assert points(replace(STRANGER, max_budget=Decimal(1)), proposal=Proposal(Decimal(0), "USD")) == (10, 1)


@pytest.mark.parametrize(
    ("most", "currency", "proposal"),
    [
        (Decimal(9), "USD", None),
        (None, "USD", Proposal(Decimal(5), "USD")),
        (Decimal(9), "EUR", Proposal(Decimal(5), "USD")),
        (Decimal(9), None, Proposal(Decimal(5), "USD")),
        (Decimal(9), "USD", Proposal(None, "USD")),
    ],
)
def test_a_budget_is_unknown_without_amount_maximum_or_a_common_currency(
    most: Decimal | None, currency: str | None, proposal: Proposal | None
) -> None:
    assert points(replace(STRANGER, max_budget=most, currency=currency), proposal=proposal) == (0, 0)


@pytest.mark.parametrize(("total", "expected"), [(None, 0), (0, 0), (1, 3), (2, 5), (3, 7), (40, 7)])
def test_sponsorships_count_up_to_three(total: int | None, expected: int) -> None:
    assert points(replace(STRANGER, total_sponsorships=total)) == (expected, 0)


@pytest.mark.parametrize(
    ("rate", "roi", "expected"),
    [
        (None, None, 0),
        ("24.99", "0.99", 0),
        ("25.00", "1.00", 4),
        ("50.00", "1.99", 6),
        ("100.00", "2.00", 8),
    ],
)
def test_renewals_and_returns_count_from_their_steps_on(rate: str | None, roi: str | None, expected: int) -> None:
    sponsor = replace(
        STRANGER,
        renewal_rate=None if rate is None else Decimal(rate),
        average_roi=None if roi is None else Decimal(roi),
    )
    assert points(sponsor) == (expected, 0)


@pytest.mark.parametrize(
    ("sponsors", "events", "expected"),
    [
        (("a", "b", "c"), ("c", "b", "a"), (10 - 5, 1)),
        (("a", "b"), ("b", "a"), (10 - 5, 1)),
        (("a",), ("a", "b"), (0, 1)),
        (("a",), ("A",), (-5, 1)),
        ((), ("a",), (0, 0)),
        (("a",), (), (0, 0)),
    ],
)
def test_shared_values_count_up_to_two(
    sponsors: tuple[str, ...], events: tuple[str, ...], expected: tuple[int, int]
) -> None:
    assert points(replace(STRANGER, values=texts(*sponsors)), replace(SOME_EVENT, values=texts(*events))) == expected


@pytest.mark.parametrize("similarity", range(6))
def test_similarity_adds_its_points_once_both_embeddings_are_known(similarity: int) -> None:
    assert points(STRANGER, similarity=similarity) == (similarity - 2, 1)


def test_the_best_sponsor_of_the_best_event_reaches_a_hundred_and_no_rules_lead_beyond() -> None:
    sponsor = Sponsor(
        "food", texts("tech"), texts("gala"), texts("Berlin"), texts("a", "b"), None, Decimal(9), "USD", 3,
        Decimal(50), Decimal(2),
    )  # fmt: skip
    event = Event("tech", "gala", "Berlin", texts("a", "b"))
    assert fit(sponsor, event, Proposal(Decimal(9), "USD"), 5, RULES) == Fit(100, 7)
    assert fit(sponsor, event, Proposal(Decimal(9), "USD"), 50, RULES).points == 100


@pytest.mark.parametrize(
    ("cosine", "expected"), [(1.0, 5), (0.95, 5), (0.85, 4), (0.2, 1), (0.05, 0), (0.0, 0), (-0.9, 0)]
)
def test_a_cosine_far_from_a_half_is_rounded_as_it_is(cosine: float, expected: int) -> None:
    assert similarity_points(cosine, 5) == expected


@pytest.mark.parametrize("cosine", [0.1, 0.3001, 0.5, 0.6999, 0.9, float("nan")])
def test_a_cosine_near_a_half_or_none_at_all_is_left_to_the_vectors(cosine: float) -> None:
    assert similarity_points(cosine, 5) is None


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([1, 1, 0, 0], [1, 0, 1, 0], 3),  # exactly 0.5, though 1 / (√2·√2) is below it in doubles
        ([1] * 100, [1] * 90 + [0] * 10 + [1] * 10, 5),  # exactly 0.9
        ([1] * 100, [1] * 89 + [0] * 11 + [1] * 11, 4),
        ([1] * 10, [1] + [0] * 9 + [1] * 9, 1),  # exactly 0.1
        ([2.0, 0.0], [-3.0, 0.0], 0),
        ([0.0, 0.0], [1.0, 0.0], 0),
        ([3e38, 3e38], [3e38, 3e38], 5),
        ([1e-30, 0.0], [1e-30, 0.0], 5),
        ([0.5, 0.25], [0.5, 0.25], 5),
    ],
)
def test_vectors_are_compared_exactly(one: list[float], other: list[float], expected: int) -> None:
    size = max(len(one), len(other))
    padded = [float(x) for x in one] + [0.0] * (size - len(one))
    assert exact_similarity_points(padded, [float(x) for x in other] + [0.0] * (size - len(other)), 5) == expected


def test_exact_points_agree_with_rounded_ones_wherever_those_decide() -> None:
    for hundredths in range(100):
        cosine = (hundredths + 0.5) / 100
        exact = exact_similarity_points([1.0, 0.0], [cosine, sqrt(1 - cosine * cosine)], 5)
        assert similarity_points(cosine, 5) in (None, exact)
