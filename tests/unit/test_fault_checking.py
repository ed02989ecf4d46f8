"""What judges a scene of faults sees what is wrong: effects too few and too many, and tests that failed."""

from copy import deepcopy
from typing import Any

import pytest

from tests.support.effects import difference
from tests.support.faults import FAULTS
from tests.support.publishing import unique
from tests.support.reliability import Report, Result, page
from tests.support.season import season
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


def test_the_page_shows_what_was_found_and_what_failed() -> None:
    found = Result("twice", 2, 100, 1, 0, 3, 0.25)
    reports = [Report("tests/a.py::x", "passed", "", [3, 4], [found]), Report("tests/a.py::y", "failed", "", [4], [])]

    lines = page(reports).splitlines()

    assert f"| 3 | {FAULTS[2].what} | twice | 2 | 100 | 1 | 0 | 3 | 0.2 s |" in lines
    assert f"| 4 | {FAULTS[3].what} | {FAULTS[3].expected} | `tests/a.py` (1 of 2 passed; failed) |" in lines
    assert f"| 21 | {FAULTS[20].what} | {FAULTS[20].expected} | {FAULTS[20].absent} |" in lines
    assert f"| 1 | {FAULTS[0].what} | {FAULTS[0].expected} | not seen |" in lines
