"""How long the relay rests after a round: the more comes, the more shares a transaction."""

import pytest

from services.outbox_relay.app import LONGEST_REST, SHORT_REST, rest_after


def test_after_few_rows_it_rests_as_long_as_the_round_took_and_not_for_long() -> None:
    assert rest_after(sent=10, took=0.02) == pytest.approx(0.02)
    assert rest_after(sent=10, took=3.0) == SHORT_REST


def test_the_more_rows_it_sent_the_longer_it_rests_up_to_a_quarter_of_a_second() -> None:
    assert rest_after(sent=200, took=0.02) == pytest.approx(0.1)
    assert rest_after(sent=4000, took=0.02) == rest_after(sent=4000, took=9.0) == LONGEST_REST == 0.25
