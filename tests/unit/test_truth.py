"""The recomputation that end-to-end tests trust, and the seasons that they try: proven before they prove anything."""

from collections import Counter

import pytest

from tests.support.comparing import SETS, conformance_set, require_agreement
from tests.support.season import season, shuffled
from tests.support.truth import expected_state

REASONS = {
    "oversized", "not_json", "invalid_envelope", "unknown_type", "invalid_data", "time_in_future", "unknown_sponsor",
    "unknown_event", "event_id_conflict",
}  # fmt: skip


@pytest.mark.parametrize("name", SETS)
def test_the_recomputation_agrees_with_the_conformance_sets(name: str) -> None:
    core, records, expected, as_of = conformance_set(name)

    require_agreement(expected, expected_state(core, records, as_of))


@pytest.mark.parametrize("name", SETS)
def test_every_record_of_a_set_has_one_outcome(name: str) -> None:
    core, records, _, as_of = conformance_set(name)

    outcomes = expected_state(core, records, as_of)["outcomes"]

    published = Counter(record["topic"] for record in records)
    assert {topic: sum(counts.values()) for topic, counts in outcomes.items()} == published


def test_a_season_is_the_same_each_time() -> None:
    assert season(7, 500) == season(7, 500)
    assert season(7, 500) != season(8, 500)


def test_a_season_has_records_refused_for_every_reason() -> None:
    made = season(1, 20_000)

    state = expected_state(made.core, made.records, made.as_of)

    assert len(made.records) == 20_000
    assert {row["reason"] for row in state["dead_letters"]} == REASONS
    assert {row["status"] for row in state["sales_activities"]} == {"pending", "success", "escalated", "failed"}
    assert {row["status"] for row in state["sequences"]} >= {"active", "replied", "stopped"}
    assert {row["do_not_email"] for row in state["lead_scores"]} == {True, False}
    assert any(row["groups"]["negative"] for row in state["lead_scores"])


def test_shuffling_keeps_equal_identities_in_order_and_with_them_the_state() -> None:
    made = season(2, 3000)
    other_order = shuffled(made.records, 3)

    assert other_order != made.records
    assert sorted(map(str, other_order)) == sorted(map(str, made.records))
    assert expected_state(made.core, other_order, made.as_of) == expected_state(made.core, made.records, made.as_of)
