"""Counting the outcomes of a batch, partition by partition."""

from typing import Any

from aiokafka import ConsumerRecord

from contracts.envelope import Refused
from contracts.refusals import Reason
from services.runtime.ledger import Duplicate, Verdict
from services.runtime.positions import Position, Tally, tally
from services.runtime.records import Item
from tests.support.facts import activity

APPLIED = activity("note_added", sponsor_id="07923986-bb96-4a43-bd5c-8dfc5eda92d8")
REFUSED = Refused(Reason.NOT_JSON, "value: is null")
VERDICTS: dict[str, Verdict] = {"a": APPLIED, "d": Duplicate.DUPLICATE, "-": REFUSED}


def counted(*partitions: tuple[int, int, str], limit: int = 3, refused_before: int = 0) -> list[Tally]:
    """Count partitions given as (partition, first offset, outcomes)."""
    items, verdicts = [], []
    for partition, first, outcomes in partitions:
        for offset, outcome in enumerate(outcomes, first):
            record: ConsumerRecord[Any, Any] = ConsumerRecord("t", partition, offset, 0, 1, None, None, None, 0, 0, ())
            items.append(Item(record, REFUSED))
            verdicts.append(VERDICTS[outcome])
    fence = {p: Position(p, first, 0, 0, 0, refused_before, None) for p, first, _ in partitions}
    return tally(fence, items, verdicts, limit)


def test_each_partition_is_counted_by_itself_and_ends_behind_its_last_record() -> None:
    assert counted((0, 5, "ad-"), (3, 0, "aa"), limit=9) == [
        Tally(0, 8, refused_in_row=1, applied=1, duplicate=1, dead_lettered=1),
        Tally(3, 2, refused_in_row=0, applied=2),
    ]


def test_refusals_in_a_row_go_on_from_what_was_counted_before_and_end_with_anything_else() -> None:
    assert counted((0, 0, "--"), limit=9, refused_before=4)[0].refused_in_row == 6
    assert counted((0, 0, "--a-"), limit=9, refused_before=4)[0].refused_in_row == 1
    assert counted((0, 0, "--d"), limit=9, refused_before=4)[0].refused_in_row == 0


def test_the_limit_is_reached_at_the_first_record_that_reaches_it() -> None:
    assert counted((0, 10, "-a-----"))[0].limit_at == 14
    assert counted((0, 10, "--"))[0].limit_at is None
    assert counted((0, 10, "--"), refused_before=2)[0].limit_at == 10
