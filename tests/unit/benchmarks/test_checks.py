"""What is held against a run's result: a sample with all that belongs to it, and a comparison that can fail."""

import orjson
import pytest

from contracts.topics import TICKET_SALES
from services.operator.output import Failure
from tests.benchmarks.checks import expected, require_agreement, sample_of
from tests.benchmarks.lab import Backlog
from tests.benchmarks.workload import Workload

COUNTS = {"sponsor_activity": 1500, "email_engagement": 2000, "ticket_sales": 4000}
EVERYTHING = frozenset(COUNTS)
BACKLOG = Backlog(Workload(sponsors=400, events=20), "unused.", COUNTS)


def test_a_sample_has_records_of_every_topic_and_far_from_all() -> None:
    sample = sample_of(BACKLOG)
    for service, count in COUNTS.items():
        assert 0 < len(sample.records[service]) < count / 2


def test_with_one_record_of_an_order_come_all_of_it() -> None:
    sample = sample_of(BACKLOG)
    taken = {record["value"] for record in sample.records["ticket_sales"]}
    orders = {order for value in taken if (order := orjson.loads(value)["data"].get("order_id"))}
    assert orders
    values = (value.decode() for _, value in BACKLOG.workload.records(TICKET_SALES, COUNTS["ticket_sales"]))
    assert {value for value in values if orjson.loads(value)["data"].get("order_id") in orders} <= taken


def test_what_is_expected_depends_on_the_services_that_ran() -> None:
    alone, together = expected(BACKLOG, frozenset({"sponsor_activity"})), expected(BACKLOG, EVERYTHING)
    assert alone["lead_scores"] != together["lead_scores"]
    assert {row["event_id"] for row in together["dashboards"]} <= set(sample_of(BACKLOG).events)


def test_a_view_that_is_right_agrees() -> None:
    require_agreement(expected(BACKLOG, EVERYTHING), expected(BACKLOG, EVERYTHING))


@pytest.mark.parametrize(("view", "field"), [("lead_scores", "score"), ("dashboards", "total_views")])
def test_one_wrong_figure_and_one_missing_row_are_found(view: str, field: str) -> None:
    due = expected(BACKLOG, EVERYTHING)
    first, *rest = due[view]
    with pytest.raises(Failure, match=f"{view} are wrong"):
        require_agreement(due, {**due, view: [{**first, field: first[field] + 1}, *rest]})
    with pytest.raises(Failure, match=f"{view} are wrong"):
        require_agreement(due, {**due, view: rest})
