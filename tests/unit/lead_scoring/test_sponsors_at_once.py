"""How many sponsors are scored at once: fewer, the more there is to read of each."""

from datetime import date

from services.lead_scoring.app import COUNTS_AT_ONCE, SPONSORS_AT_ONCE, sponsors_at_once
from services.lead_scoring.store import Counts

DAY = date(2026, 9, 1)


def counts(sponsors: int, of_each: int) -> Counts:
    return {str(n): {"event": [("website_visited", DAY, 1)] * of_each} for n in range(sponsors)}


def test_sponsors_with_few_counts_are_taken_by_their_number() -> None:
    assert sponsors_at_once(counts(3, 10)) == SPONSORS_AT_ONCE
    assert sponsors_at_once(counts(1, 0)) == SPONSORS_AT_ONCE


def test_sponsors_with_many_counts_are_taken_by_those() -> None:
    assert sponsors_at_once(counts(4, COUNTS_AT_ONCE // 50)) == 50
    assert sponsors_at_once(counts(1, 2 * COUNTS_AT_ONCE)) == 1
