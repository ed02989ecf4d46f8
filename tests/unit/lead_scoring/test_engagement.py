"""What sponsors did, weighed: decay, limits of groups, and the vectors that came with the specification."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.lead_scoring.decay import factor
from services.lead_scoring.domain import (
    Count,
    all_counts,
    contribution,
    do_not_email,
    engagement,
    top_factors,
)
from services.lead_scoring.rules import Signal, load_rules

RULES = load_rules()
TODAY = date(2026, 11, 1)
VECTORS = json.loads((Path(__file__).parents[2] / "conformance" / "scoring_vectors.json").read_text("utf-8"))


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


@pytest.mark.parametrize(("half_life", "age", "expected"), VECTORS["factor_examples"])
def test_a_factor_is_the_one_of_the_vectors(half_life: int, age: int, expected: int) -> None:
    assert factor(half_life, age) == expected


@pytest.mark.parametrize("case", VECTORS["cases"])
def test_engagement_is_that_of_the_vectors(case: dict[str, Any]) -> None:
    counts = [(signal, date.fromisoformat(day), n) for signal, day, n in case["counts"]]
    engaged = engagement(counts, date.fromisoformat(case["as_of"]), RULES)
    assert engaged.groups == case["groups_millipoints"]
    assert engaged.points == case["engagement"]


@pytest.mark.parametrize("half_life", [7, 14, 30, 365])
def test_a_signal_halves_with_each_half_life_and_is_gone_after_22(half_life: int) -> None:
    assert [factor(half_life, half_life * n) for n in range(3)] == [1 << 20, 1 << 19, 1 << 18]
    assert factor(half_life, 22 * half_life) == 0
    assert factor(half_life, 21 * half_life - 1) == 1
    signal = Signal(group="negative", points=60, half_life=half_life, per="message")
    assert contribution(signal, 22 * half_life, 10**9) == contribution(signal, 22 * half_life + 1, 10**9) == 0


def test_a_factor_that_lies_on_a_half_is_rounded_to_the_even_neighbour() -> None:
    assert factor(1, 21) == 0  # 0.5
    assert factor(1, 20) == 1


def test_a_day_of_visits_counts_once_and_each_message_counts() -> None:
    visits: list[Count] = [("website_visited", TODAY, 200)]
    replies: list[Count] = [("email_replied", TODAY, 1), ("email_clicked", TODAY, 2)]
    assert engagement(visits, TODAY, RULES).groups["content"] == 1_000
    assert engagement(replies, TODAY, RULES).factors == {"email_replied": 12_000, "email_clicked": 8_000}


def test_days_to_come_weigh_as_today() -> None:
    assert engagement([("meeting_held", ago(-30), 1)], TODAY, RULES).points == 25


def test_groups_are_cut_at_their_limits_and_what_takes_away_never_goes_below_zero() -> None:
    loud = engagement([("enquiry_submitted", TODAY, 9), ("email_replied", TODAY, 9)], TODAY, RULES)
    assert loud.groups == {"email": 20_000, "content": 0, "intent": 50_000, "event": 0, "negative": 0}
    assert loud.factors == {"enquiry_submitted": 225_000, "email_replied": 108_000}
    assert loud.points == 70
    bad = engagement([("email_complained", TODAY, 2), ("email_replied", TODAY, 1)], TODAY, RULES)
    assert (bad.groups["negative"], bad.points) == (60_000, 0)


def test_a_pair_held_down_climbs_as_what_takes_away_fades_sooner_than_what_adds() -> None:
    counts: list[Count] = [("meeting_missed", TODAY, 6), ("intent_letter_received", TODAY, 2)]
    assert [engagement(counts, ago(-days), RULES).points for days in (0, 30)] == [0, 19]


def test_a_sponsors_counts_add_up_across_events_before_a_day_counts_once() -> None:
    by_event: dict[str | None, list[Count]] = {
        "a": [("website_visited", TODAY, 3), ("email_opened", TODAY, 1)],
        "b": [("website_visited", TODAY, 1)],
        None: [("email_opened", TODAY, 2)],
    }
    assert sorted(all_counts(by_event)) == [("email_opened", TODAY, 3), ("website_visited", TODAY, 4)]
    assert engagement(all_counts(by_event), TODAY, RULES).points == 4
    assert all_counts({"a": by_event["a"]}) == by_event["a"]
    assert list(all_counts({})) == []


@pytest.mark.parametrize("signal", ["email_unsubscribed", "email_complained"])
def test_one_message_about_any_event_or_none_closes_the_gate_for_all(signal: str) -> None:
    assert not do_not_email({"a": [("email_hard_bounced", TODAY, 1)]})
    assert do_not_email({"a": [("email_opened", TODAY, 1)], None: [(signal, ago(900), 1)]})


def test_the_top_factors_are_the_five_that_move_most_and_tell_which_way() -> None:
    counts: list[Count] = [
        ("website_visited", ago(400), 1),  # decayed to nothing
        ("email_opened", TODAY, 1),
        ("package_viewed", TODAY, 1),
        ("email_clicked", TODAY, 1),
        ("meeting_missed", TODAY, 1),
        ("proposal_viewed", TODAY, 1),
        ("email_complained", TODAY, 1),
    ]
    told = top_factors(engagement(counts, TODAY, RULES).factors, RULES)
    assert [(it["signal"], it["millipoints"]) for it in told] == [
        ("email_complained", -60_000),
        ("meeting_missed", -10_000),
        ("proposal_viewed", 6_000),
        ("package_viewed", 5_000),
        ("email_clicked", 4_000),
    ]
