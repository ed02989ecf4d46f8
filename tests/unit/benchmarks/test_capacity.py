"""The capacity model: computed from what was measured, by arithmetic that can be followed by hand."""

from dataclasses import replace
from typing import Any

import pytest

from tests.benchmarks.capacity import Assumptions, Cost, Inputs, ceilings, inputs_of, markdown, need

INTAKE = Cost(services=40.0, postgres=30.0, kafka=2.0, wal=1000.0, kept=800.0)
WHOLE = Cost(services=60.0, postgres=50.0, kafka=4.0, wal=1500.0, kept=1000.0)
INPUTS = Inputs(INTAKE, WHOLE, relay=2.5, late_wal=500.0, ledger_index=40.0)
GIVEN = Assumptions(
    busy_share=0.5, postgres_cores=32, postgres_memory_gigabytes=100.0, wal_megabytes_a_second=200.0,
    commit_milliseconds=20.0, batch_records=4000, busiest_key_share=0.01, partitions_step=12, record_bytes=500,
    kafka_copies=3, mean_to_peak=0.1,
)  # fmt: skip


def test_what_a_rate_needs_is_its_cost_times_the_rate() -> None:
    found = need(INPUTS, 10_000, GIVEN)
    assert found.postgres_cores == pytest.approx(10_000 * 50 / 1e6 / 0.5)
    assert found.projection_and_relay_cores == pytest.approx(10_000 * 20 / 1e6 / 0.5)
    assert found.kafka_cores == pytest.approx(10_000 * 4 / 1e6 / 0.5)
    assert found.wal_megabytes_a_second == pytest.approx(20.0)
    assert found.kafka_megabytes_a_second == pytest.approx(15.0)
    assert found.stored_gigabytes_a_day == pytest.approx(10_000 * 0.1 * 1000 * 86_400 / 1e9)
    assert found.days_until_the_ledgers_index_fills_memory == pytest.approx(100e9 / (1000 * 86_400 * 40))


def test_a_partition_carries_one_batch_at_a_time_and_the_busiest_key_beside_its_share_of_the_others() -> None:
    # 4,000 records in 300 ms are 13,333 events/s, of which half is to be used: 0.0667 of 100,000 events/s.
    assert need(INPUTS, 100_000, GIVEN).partitions == 24  # 0.01 and 0.99 / 24 are 0.051; of 12 it would be 0.0925


def test_no_number_of_partitions_helps_a_key_that_is_too_much_for_one() -> None:
    assert (
        need(INPUTS, 700_000, GIVEN).partitions is None
    )  # 7,000 events/s on one key, and 6,667 is half of a partition


def test_a_process_computes_on_one_core_and_each_service_has_one() -> None:
    assert need(INPUTS, 100_000, GIVEN).intake_processes == 8  # 12,500 events/s each, half busy
    assert need(INPUTS, 10_000, GIVEN).intake_processes == 3


def test_an_installation_is_full_where_its_first_ceiling_is() -> None:
    assert [(limit.what, round(limit.rate)) for limit in ceilings(INPUTS, GIVEN)] == [
        ("the log", 100_000),
        ("the relay", 200_000),
        ("Postgres' processors", 320_000),
        ("the busiest key's partition", 666_667),
    ]
    found = need(INPUTS, 250_000, GIVEN)
    assert (found.full, found.installations) == ("the log, the relay", 3)
    found = need(replace(INPUTS, late_wal=0.0, relay=1.0), 120_000, GIVEN)
    assert (found.full, found.installations) == ("nothing", 1)


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
        relayed = [["lead_scoring", 10, 1.0, 9.0], ["outbox_relay", 20_000, 5.0, 15.0]]
        bytes_kept = [["facts", 9.0, 9.0], ["processed_events", 8.0, 4.0]]
        beside = [[0, 9.0, 1.0, 1000.0], [10, 8.0, 0.9, 1100.0], [100, 7.0, 0.8, 1500.0]]
        tables += [
            {"title": "cost of 100,000 events", "columns": columns, "rows": rows},
            {"title": "what follows from 500,000 events, each alone", "columns": ["service"], "rows": relayed},
            {"title": "where the bytes of 100,000 events go: all", "columns": ["table"], "rows": bytes_kept},
            {"title": "events/s beside a ledger, 9 events", "columns": ["#rows before"], "rows": beside},
        ]
    return {"sections": [{"name": "throughput", "tables": tables}]}


def test_costs_come_from_the_benchmarks_results() -> None:
    rows: list[list[Any]] = [
        ["sponsor_activity", 3.0, 2.0, 0.1, 100.0, 50.0, 50.0],
        ["email_engagement", 6.0, 5.0, 0.2, 200.0, 50.0, 50.0],
        ["ticket_sales", 3.0, 2.0, 0.3, 300.0, 50.0, 50.0],
        ["all of it", 9.0, 8.0, 0.4, 400.0, 100.0, 100.0],
    ]
    found = inputs_of(_results(rows))
    assert found.intake.services == pytest.approx(0.3 * 30 + 0.4 * 60 + 0.3 * 30)
    assert found.intake.postgres == pytest.approx(0.3 * 20 + 0.4 * 50 + 0.3 * 20)
    assert found.relay == pytest.approx(20_000 * 15 / 500_000)
    assert found.late_wal == pytest.approx(500.0)
    assert found.ledger_index == pytest.approx(4 * 2**20 / 100_000)
    assert found.whole.postgres == pytest.approx(80.0)
    assert found.whole.wal == pytest.approx(400 * 2**20 / 100_000)
    assert found.whole.kept == pytest.approx(200 * 2**20 / 100_000)


def test_results_without_costs_are_refused() -> None:
    with pytest.raises(LookupError, match=r"no table .*cost of"):
        inputs_of(_results([]))


def test_what_is_printed_has_inputs_assumptions_ceilings_and_every_need() -> None:
    printed = markdown(INPUTS, GIVEN)
    assert "| postgres | 30.0 | 50.0 |" in printed
    assert "| busy share | 0.5 |" in printed
    assert "| the log | 100,000 |" in printed
    assert "| events a second | 10,000 | 100,000 | 1,000,000 |" in printed
    assert "| installations | 1 | 1 | 10 |" in printed
    assert (
        "| full | nothing | nothing | the log, the relay, Postgres' processors, the busiest key's partition |"
        in printed
    )
    assert "| partitions | 12 | 24 | – |" in printed
