"""`eventos db`: reports on what is there, measurements that leave no trace, and letting old months go."""

from datetime import UTC, datetime
from typing import Any, LiteralString

import psycopg
import pytest

from services.operator.db.retention import first_kept
from services.operator.db.sample import KINDS
from tests.support.commands import eventos

TODAY = datetime.now(UTC).date()

STATEMENTS: LiteralString = """
    CREATE VIEW pg_stat_statements AS
    SELECT (SELECT oid FROM pg_database WHERE datname = current_database()) AS dbid, q.*
    FROM (VALUES ('SELECT 1', 7::bigint, 0.5::float8, 2::float8), ('SELECT slow', 1, 900, 900))
        AS q (query, calls, mean_exec_time, max_exec_time)
"""


def do(url: str, statement: LiteralString, *arguments: object) -> list[tuple[Any, ...]]:
    """Run a statement as the owner; its rows, if it has any."""
    with psycopg.connect(url) as connection:
        cursor = connection.execute(statement, arguments or None)
        return cursor.fetchall() if cursor.description else []


class TestHealth:
    def test_the_largest_tables_come_first_and_months_are_counted_with_their_table(self, database_url: str) -> None:
        do(database_url, "INSERT INTO email_templates (template_type, subject, body) SELECT 'custom', 'a', g::text"
           " FROM generate_series(1, 20000) g")  # fmt: skip
        do(database_url, "ANALYZE")

        sizes = eventos(database_url, "db", "health", "--json", "--limit", "500").data["sizes"]

        by_name = {row["table"]: row for row in sizes}
        totals = [row["total_bytes"] for row in sizes]
        assert totals == sorted(totals, reverse=True)
        assert by_name["email_templates"]["rows"] == 20_000
        assert by_name["agent_sales_activities"]["parts"] > 24
        assert not [name for name in by_name if name.startswith("agent_sales_activities_")]

    def test_each_index_says_how_often_it_was_used_and_what_for(self, database_url: str) -> None:
        indexes = eventos(database_url, "db", "health", "--json", "--limit", "500").data["indexes"]

        (status,) = [row for row in indexes if row["index"] == "idx_proposals_status"]
        assert (status["table"], status["scans"]) == ("sponsor_proposals", 0)
        assert status["serves"] == "Proposals that wait for an answer."

    def test_without_pg_stat_statements_it_says_so_in_a_plain_word(self, database_url: str) -> None:
        outcome = eventos(database_url, "db", "health")
        assert outcome.code == 0
        assert "pg_stat_statements is not installed" in outcome.stderr
        assert eventos(database_url, "db", "health", "--json").data["slow_queries"] == []

    def test_with_it_the_slowest_queries_come_first(self, database_url: str) -> None:
        do(database_url, STATEMENTS)
        data = eventos(database_url, "db", "health", "--json").data
        assert [row["query"] for row in data["slow_queries"]] == ["SELECT slow", "SELECT 1"]
        assert data["slow_queries_missing"] is None
        assert "900.00" in eventos(database_url, "db", "health").stdout


class TestStorage:
    def test_each_table_is_measured_beside_its_estimate(self, database_url: str) -> None:
        rows = {row["table"]: row for row in eventos(database_url, "db", "storage", "--events", "1", "--json").data}

        assert rows.keys() == KINDS.keys()
        assert sum(row["estimated_kb_per_event"] or 0 for row in rows.values()) == pytest.approx(1685)
        assert sum(row["rows_per_event"] for row in rows.values() if row["estimated_kb_per_row"]) == 1067
        for row in rows.values():
            assert 0 < row["of_it_indexes"] < row["kb_per_row"] < 100, row

    def test_nothing_is_written_to_the_database(self, database_url: str) -> None:
        sizes: LiteralString = (
            "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relnamespace::regnamespace::text"
            " IN ('public', 'streams', 'streams_g1') AND relkind IN ('r', 'm')"
        )
        before = do(database_url, sizes)

        assert eventos(database_url, "db", "storage", "--events", "1").code == 0

        assert do(database_url, sizes) == before
        assert do(database_url, "SELECT count(*) FROM streams_g1.stale_marks") == [(0,)]


class TestRetention:
    @pytest.fixture(autouse=True)
    def rows(self, database_url: str) -> None:
        old, kept = TODAY.replace(year=TODAY.year - 4, day=1), TODAY.replace(year=TODAY.year - 1, day=1)
        do(database_url, "SELECT streams.ensure_sales_activity_months(%s, %s)", old, kept)
        do(
            database_url,
            "INSERT INTO agent_sales_activities (activity_type, created_at) VALUES ('email_sent', %s),"
            " ('email_sent', %s), ('email_sent', '2019-01-01')",
            old,
            kept,
        )

    def test_without_apply_it_only_lists(self, database_url: str) -> None:
        outcome = eventos(database_url, "db", "retention")

        assert f"{TODAY.year - 4}-{TODAY.month:02}" in outcome.stdout
        assert "add --apply" in outcome.stderr
        assert do(database_url, "SELECT count(*) FROM agent_sales_activities") == [(3,)]

    def test_with_apply_old_months_are_in_the_archive_and_the_next_run_finds_none(self, database_url: str) -> None:
        data = eventos(database_url, "db", "retention", "--keep-months", "36", "--apply", "--json").data

        assert [month["rows"] for month in data["months"]] == [1]
        archived = do(database_url, "SELECT relname FROM pg_class WHERE relnamespace = 'eventos_archive'::regnamespace"
                      " AND relkind = 'r'")  # fmt: skip
        assert [[name] for name in data["detached"]] == [list(row) for row in archived]
        assert "there is nothing" in eventos(database_url, "db", "retention", "--apply").stderr

    def test_two_years_are_the_least_that_can_be_kept(self, database_url: str) -> None:
        assert eventos(database_url, "db", "retention", "--keep-months", "23", "--apply").code == 2


@pytest.mark.parametrize(
    ("today", "months", "first"),
    [("2026-11-23", 24, "2024-11-01"), ("2026-01-31", 1, "2025-12-01"), ("2026-12-31", 36, "2023-12-01")],
)
def test_whole_months_are_kept(today: str, months: int, first: str) -> None:
    assert first_kept(datetime.fromisoformat(today).date(), months).isoformat() == first
