"""Both axes together: grade, score, priority, what to do, what is told."""

import json
from datetime import date
from decimal import Decimal
from itertools import product

import pytest

from contracts.derived import LeadScoreChanged
from services.lead_scoring.domain import (
    Count,
    Lead,
    Standing,
    changed,
    grade,
    lead,
    tombstone,
)
from services.lead_scoring.fit import Fit
from services.lead_scoring.rules import GRADES, Priority, load_rules

RULES = load_rules()
TODAY = date(2026, 11, 1)
PAIR = ("07923986-bb96-4a43-bd5c-8dfc5eda92d8", "619699cf-e198-4ad9-b06c-144a025b413f")
ENQUIRY: list[Count] = [("enquiry_submitted", TODAY, 1), ("meeting_missed", TODAY, 1)]


def some_lead(counts: list[Count] = ENQUIRY, *, fit: int = 55, gate_closed: bool = False) -> Lead:
    return lead(counts, Fit(fit, 5), gate_closed, TODAY, RULES)


@pytest.mark.parametrize(
    ("fit", "engagement", "expected"),
    [
        (100, 100, "A1"), (75, 60, "A1"), (74, 60, "B1"), (75, 59, "A2"), (55, 25, "B2"), (54, 25, "C2"),
        (55, 24, "B3"), (35, 0, "C3"), (34, 0, "D3"), (0, 0, "D3"),
    ],
)  # fmt: skip
def test_a_grade_is_a_letter_for_fit_and_a_digit_for_engagement(fit: int, engagement: int, expected: str) -> None:
    assert grade(fit, engagement, RULES) == expected


def test_every_grade_can_be_reached() -> None:
    assert {grade(fit, engagement, RULES) for fit, engagement in product(range(101), repeat=2)} == set(GRADES)


def test_a_score_weighs_fit_and_engagement_and_is_rounded_half_up() -> None:
    assert some_lead(fit=55).score == 33  # 0.45·55 + 0.55·15 = 33.0
    assert some_lead(fit=56).score == 33  # 33.45
    assert some_lead(fit=50, counts=[("email_opened", TODAY, 0)]).score == 23  # 22.5


def test_a_lead_says_why_it_is_what_it_is() -> None:
    assert some_lead() == Lead(
        score=33,
        priority="nurture",
        conversion_probability=Decimal("0.10"),
        recommended_actions=["enrol_in_follow_up_sequence"],
        insights={
            "fit": 55,
            "fit_completeness": "0.71",
            "engagement": 15,
            "grade": "B3",
            "groups": {"email": 0, "content": 0, "intent": 25_000, "event": 0, "negative": 10_000},
            "do_not_email": False,
            "rules_version": 1,
            "as_of": "2026-11-01",
            "top_factors": [
                {"signal": "enquiry_submitted", "millipoints": 25_000},
                {"signal": "meeting_missed", "millipoints": -10_000},
            ],
        },
    )


@pytest.mark.parametrize(("known", "share"), [(1, "0.14"), (4, "0.57"), (6, "0.86"), (7, "1.00")])
def test_completeness_is_the_share_of_inputs_that_were_known(known: int, share: str) -> None:
    assert lead(ENQUIRY, Fit(50, known), False, TODAY, RULES).insights["fit_completeness"] == share


@pytest.mark.parametrize(
    ("priority", "expected"),
    [
        ("hot", ["call_within_one_business_day", "contact_by_phone_only"]),
        ("warm", ["contact_by_phone_only", "offer_meeting"]),
        ("nurture", ["contact_by_phone_only"]),
        ("cold", ["contact_by_phone_only"]),
    ],
)
def test_behind_a_closed_gate_no_action_sends_e_mail(priority: Priority, expected: list[str]) -> None:
    assert RULES.actions_of[priority, True] == expected
    assert RULES.actions_of[priority, False] == [*getattr(RULES.recommended_actions, priority)]


def test_an_action_that_stands_in_for_two_is_said_once() -> None:
    actions = RULES.recommended_actions.model_copy(
        update={"warm": ("send_tailored_proposal", "keep_in_newsletter", "offer_meeting")}
    )
    rules = RULES.model_copy(update={"recommended_actions": actions})
    assert rules.actions_of["warm", True] == ["contact_by_phone_only", "offer_meeting"]


def test_a_closed_gate_shows_in_the_lead() -> None:
    gated = some_lead(gate_closed=True)
    assert (gated.insights["do_not_email"], gated.recommended_actions) == (True, ["contact_by_phone_only"])


def test_a_new_lead_is_told_without_previous_values() -> None:
    told = changed(PAIR, None, some_lead())
    assert told is not None
    assert (told.topic, told.key, told.type) == ("lead-scores", ":".join(PAIR), "eventos.lead_score.changed.v1")
    assert json.loads(told.data or b"") == {
        "sponsor_id": PAIR[0],
        "event_id": PAIR[1],
        "score": 33,
        "priority": "nurture",
        "grade": "B3",
        "fit": 55,
        "engagement": 15,
        "conversion_probability": "0.10",
        "previous_score": None,
        "previous_priority": None,
        "top_factors": [
            {"signal": "enquiry_submitted", "millipoints": 25_000},
            {"signal": "meeting_missed", "millipoints": -10_000},
        ],
        "rules_version": 1,
        "as_of": "2026-11-01",
    }


def test_what_is_told_keeps_the_contract() -> None:
    for previous in (None, Standing(1, "hot")):
        told = changed(PAIR, previous, some_lead())
        assert told is not None
        LeadScoreChanged.model_validate_json(told.data or b"")


@pytest.mark.parametrize("previous", [Standing(32, "nurture"), Standing(33, "cold")])
def test_a_score_or_a_priority_that_moved_is_told_with_what_it_was(previous: Standing) -> None:
    told = changed(PAIR, previous, some_lead())
    assert told is not None
    data = json.loads(told.data or b"")
    assert (data["previous_score"], data["previous_priority"]) == previous


def test_what_moves_neither_score_nor_priority_is_not_told() -> None:
    assert changed(PAIR, Standing(33, "nurture"), some_lead(fit=56)) is None


def test_a_pair_that_is_gone_leaves_a_tombstone_under_its_key() -> None:
    gone = tombstone(PAIR)
    assert (gone.topic, gone.key, gone.type, gone.data) == ("lead-scores", ":".join(PAIR), None, None)
