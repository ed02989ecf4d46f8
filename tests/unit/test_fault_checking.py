"""What judges a scene of faults sees what is wrong: effects too few and too many, and tests that failed."""

import json
from copy import deepcopy
from typing import Any

import pytest

from tests.support.effects import difference
from tests.support.faults import FAULTS
from tests.support.publishing import unique
from tests.support.reliability import Report, Result, page
from tests.support.season import season
from tests.support.told import Told, require_leads
from tests.support.truth import expected_state


@pytest.fixture(scope="module")
def state() -> dict[str, Any]:
    made = season(7, 600)
    return expected_state(made.core, made.records, made.as_of)


def test_a_state_differs_from_itself_in_nothing(state: dict[str, Any]) -> None:
    assert difference(state, state) == (0, 0)


def test_what_is_counted_too_little_is_lost_and_what_too_much_doubled(state: dict[str, Any]) -> None:
    wrong = deepcopy(state)
    wrong["dashboards"][0]["total_views"] -= 2
    wrong["dashboards"][1]["funnel_metrics"]["views"] += 3
    wrong["sales_activities"].append(wrong["sales_activities"][0])
    del wrong["sponsorships"][0]

    assert difference(state, wrong) == (3, 4)


def test_a_publisher_of_unique_events_leaves_out_whatever_identity_came_before() -> None:
    named = [record for record in season(7, 600).records if '"id": "' in (record["value"] or "")]

    assert unique([*named, *named]) == unique(named)
    assert 0 < len(unique(named)) < len(named)


def score(previous: int | None, score: int, *, number: int, earlier: bool = False) -> Told:
    """A word on one lead."""
    ranks = {None: None, 10: "low", 20: "low", 60: "medium"}
    data = {"previous_score": previous, "previous_priority": ranks[previous], "score": score, "priority": ranks[score]}
    return Told(0, "s:e", json.dumps({"id": str(number), "data": data}).encode(), earlier)


def state_of_lead(score: int | None) -> dict[str, Any]:
    row = {"sponsor_id": "s", "event_id": "e", "score": score, "priority": "medium" if score == 60 else "low"}
    return {"lead_scores": [] if score is None else [row]}


def test_a_lead_is_told_each_change_in_order_and_its_row_last() -> None:
    words = [score(None, 10, number=1), score(10, 20, number=2), score(20, 60, number=3)]

    require_leads([*words, *words[1:]], state_of_lead(60))  # sent again, in order
    for told, row in ((words[::2], 60), (words, 20), (words, None), (words[:2], 60), ([], 60)):
        with pytest.raises(AssertionError):
            require_leads(told, state_of_lead(row))


def test_a_lead_that_was_told_of_only_before_a_database_went_back_may_differ_and_no_other() -> None:
    earlier = [score(None, 10, number=1, earlier=True), score(10, 60, number=2, earlier=True)]

    require_leads(earlier, state_of_lead(10))
    require_leads(earlier, state_of_lead(None))
    require_leads([*earlier, score(10, 20, number=3)], state_of_lead(20))
    for told, row in (([*earlier, score(10, 20, number=3)], 60), ([earlier[1]], 60)):
        with pytest.raises(AssertionError):
            require_leads(told, state_of_lead(row))
    with pytest.raises(AssertionError):
        require_leads([*earlier, score(10, 20, number=3), score(10, 60, number=4)], state_of_lead(60))


def test_the_page_shows_what_was_found_and_what_failed() -> None:
    found = Result("twice", 2, 100, 1, 0, 3, 0.25)
    reports = [Report("tests/a.py::x", "passed", "", [3, 4], [found]), Report("tests/a.py::y", "failed", "", [4], [])]

    lines = page(reports).splitlines()

    assert f"| 3 | {FAULTS[2].what} | twice | 2 | 100 | 1 | 0 | 3 | 0.2 s |" in lines
    assert f"| 4 | {FAULTS[3].what} | {FAULTS[3].expected} | `tests/a.py` (1 of 2 passed; failed) |" in lines
    assert f"| 21 | {FAULTS[20].what} | {FAULTS[20].expected} | {FAULTS[20].absent} |" in lines
    assert f"| 1 | {FAULTS[0].what} | {FAULTS[0].expected} | not seen |" in lines
