"""How long a projection rests between two sweeps, so that intake has the rest of the time."""

import pytest

from services.runtime.projection import AT_ONCE, FOR_PEOPLE, LONG_SWEEP, LONGEST_REST


def test_what_others_wait_for_rests_as_long_as_it_worked() -> None:
    assert AT_ONCE.rest(0.0) == 0.0
    assert AT_ONCE.rest(0.02) == pytest.approx(0.02)


def test_what_people_look_at_takes_a_tenth_of_the_time_and_never_comes_oftener_than_they_look() -> None:
    assert FOR_PEOPLE.rest(0.001) == 0.25
    assert FOR_PEOPLE.rest(0.1) == pytest.approx(0.9)


def test_in_a_backlog_others_wait_too_for_a_fifth_of_the_time_is_enough() -> None:
    assert AT_ONCE.rest(LONG_SWEEP) == pytest.approx(4 * LONG_SWEEP)
    assert FOR_PEOPLE.rest(LONG_SWEEP) == pytest.approx(9 * LONG_SWEEP)


def test_nobody_rests_for_longer_than_the_longest_rest() -> None:
    assert AT_ONCE.rest(60.0) == FOR_PEOPLE.rest(60.0) == LONGEST_REST
