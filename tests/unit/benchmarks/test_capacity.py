"""The capacity model: computed from what was measured, by arithmetic that can be followed by hand."""

from dataclasses import replace
from typing import Any

import pytest

from tests.benchmarks.capacity import Assumptions, Cost, Inputs, inputs_of, markdown, need

INTAKE = Cost(services=40.0, postgres=30.0, kafka=2.0, wal=1000.0, kept=800.0)
WHOLE = Cost(services=60.0, postgres=50.0, kafka=4.0, wal=2000.0, kept=1000.0)
INPUTS = Inputs(INTAKE, WHOLE)
GIVEN = Assumptions(
    busy_share_of_a_core=0.5, postgres_cores=32, wal_megabytes_a_second=200.0, commit_milliseconds=20.0,
    batch_records=4000, hottest_partition_to_the_mean=2.0, partitions_step=12, record_bytes=500, kafka_copies=3,
    mean_to_peak=0.1,
)  # fmt: skip


def test_what_a_rate_needs_is_its_cost_times_the_rate() -> None:
    found = need(INPUTS, 10_000, GIVEN)
    assert found.postgres_cores == pytest.approx(10_000 * 50 / 1e6 / 0.5)
    assert found.other_cores == pytest.approx(10_000 * 20 / 1e6 / 0.5)
    assert found.kafka_cores == pytest.approx(10_000 * 4 / 1e6 / 0.5)
    assert found.wal_megabytes_a_second == pytest.approx(20.0)
    assert found.kafka_megabytes_a_second == pytest.approx(15.0)
    assert found.gigabytes_a_day == pytest.approx(10_000 * 0.1 * 1000 * 86_400 / 1e9)


def test_a_partition_carries_one_batch_at_a_time() -> None:
    found = need(INPUTS, 100_000, GIVEN)
    assert found.batch_milliseconds == pytest.approx(4000 * 0.070 + 20)  # 300 ms: 13,333 events/s, half of it for skew
    assert found.partitions == 24  # 15 and more, in steps of 12


def test_a_process_computes_on_one_core() -> None:
    assert need(INPUTS, 100_000, GIVEN).intake_processes == 8  # 12,500 events/s each, half busy


@pytest.mark.parametrize(
    ("wal", "first", "primaries"),
    [(2000.0, "log", 10), (200.0, "processors", 4)],  # 100,000 and 320,000 events/s a primary
)
def test_the_primary_is_full_where_its_first_limit_is(wal: float, first: str, primaries: int) -> None:
    found = need(replace(INPUTS, whole=replace(WHOLE, wal=wal)), 1_000_000, GIVEN)
    assert (found.first, found.primaries) == (first, primaries)


def _results(rows: list[list[Any]]) -> dict[str, Any]:
    columns = [
        "work",
        "#service, CPU-s",
        "#Postgres, CPU-s",
        "#Kafka, CPU-s",
        "#WAL, MiB",
        "#tables, MiB",
        "#indexes, MiB",
    ]
    tables: list[dict[str, Any]] = [{"title": "rates", "columns": ["drained"], "rows": []}]
    if rows:
        tables.append({"title": "cost of 100,000 events", "columns": columns, "rows": rows})
    return {"sections": [{"name": "throughput", "tables": tables}]}


def test_costs_come_from_the_benchmarks_results() -> None:
    rows: list[list[Any]] = [
        ["sponsor_activity", 3.0, 2.0, 0.1, 100.0, 50.0, 50.0],
        ["email_engagement", 6.0, 5.0, 0.2, 200.0, 50.0, 50.0],
        ["ticket_sales", 3.0, 2.0, 0.3, 300.0, 50.0, 50.0],
        ["all of it", 9.0, 8.0, 0.4, 400.0, 100.0, 100.0],
    ]
    found = inputs_of(_results(rows))
    assert found.intake.services == pytest.approx(40.0)
    assert found.intake.postgres == pytest.approx(30.0)
    assert found.intake.kafka == pytest.approx(2.0)
    assert found.whole.postgres == pytest.approx(80.0)
    assert found.whole.wal == pytest.approx(400 * 2**20 / 100_000)
    assert found.whole.kept == pytest.approx(200 * 2**20 / 100_000)


def test_results_without_costs_are_refused() -> None:
    with pytest.raises(LookupError, match="no table of costs"):
        inputs_of(_results([]))


def test_what_is_printed_has_inputs_assumptions_and_every_need() -> None:
    printed = markdown(INPUTS, GIVEN)
    assert "| postgres | 30.0 | 50.0 |" in printed
    assert "| busy share of a core | 0.5 |" in printed
    assert "| events a second | 10,000 | 100,000 | 1,000,000 |" in printed
    assert "| primaries | 1 | 1 | 10 |" in printed
