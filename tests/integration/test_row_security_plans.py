"""Row security costs no index: what an organiser asks for is looked up, not filtered out of everybody's.

100,000 rows in one table of each shape of policy, of 1,000 organisers with ten events each. Columns that a policy
asks for in the other tables have the same kind of index; a test reads that off the catalogue.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, LiteralString

import psycopg
import pytest

from tests.support.organisers import TABLES, acting

# n is 0 to 99,999. Organisers have ids that end in 0 to 999, events in 0 to 9,999, everything else in n.
_ROWS: LiteralString = """
    SET session_replication_role TO replica; -- neither keys nor marks: only plans are read here
    CREATE FUNCTION pg_temp.id(n int) RETURNS uuid LANGUAGE sql IMMUTABLE
        RETURN ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid;
    CREATE TEMPORARY TABLE ns AS
        SELECT n, pg_temp.id(n) AS id, pg_temp.id(n % 10000) AS event,
            timestamptz '2026-01-01 00:00+00' + n * interval '1 min' AS at
        FROM generate_series(0, 99999) AS n;
    INSERT INTO auth.users (id) SELECT id FROM ns WHERE n < 1000;
    INSERT INTO events (id, organizer_id, title) SELECT id, pg_temp.id(n % 1000), 'Event' FROM ns WHERE n < 10000;
    INSERT INTO sponsors (id, created_by, company_name, industry)
        SELECT id, pg_temp.id(n % 1000), 'Company', 'food' FROM ns;
    INSERT INTO sponsor_proposals (id, event_id, sponsor_id, created_at) SELECT id, event, id, at FROM ns;
    INSERT INTO sponsor_lead_scores (sponsor_id, event_id, score, conversion_probability, priority)
        SELECT id, event, n % 100, 0.5, 'warm' FROM ns;
    INSERT INTO follow_up_sequences (sponsor_id, sequence_type) SELECT id, 'renewal' FROM ns;
    INSERT INTO sponsor_activities (id, sponsor_id, event_id, activity_type, created_at)
        SELECT id, id, CASE WHEN n % 3 > 0 THEN event END, 'note_added', at FROM ns;
    INSERT INTO agent_sales_activities (sponsor_id, event_id, activity_type, created_at)
        SELECT id, CASE WHEN n % 3 > 0 THEN event END, 'email_sent', at FROM ns;
    INSERT INTO automation_workflows (id, event_id, name, workflow_type, definition)
        SELECT id, event, 'Name', 'custom', '{}' FROM ns WHERE n < 20000;
    INSERT INTO workflow_execution_logs (workflow_id, step_id, step_name, status, created_at)
        SELECT pg_temp.id(n % 20000), '1', 'First', 'completed', at FROM ns;
    INSERT INTO marketing_campaigns (id, event_id, name) SELECT id, event, 'Campaign' FROM ns WHERE n < 10000;
    INSERT INTO email_templates (event_id, campaign_id, template_type, subject)
        SELECT CASE WHEN n % 3 > 0 THEN event END, event, 'invitation', 'Hello' FROM ns;
    ANALYZE auth.users, events, sponsors, sponsor_proposals, sponsor_lead_scores, follow_up_sequences,
        sponsor_activities, agent_sales_activities, automation_workflows, workflow_execution_logs,
        marketing_campaigns, email_templates;
    RESET session_replication_role;
"""
ORGANISER = "00000000-0000-0000-0000-000000000007"
STATEMENTS: dict[LiteralString, set[str]] = {
    "SELECT * FROM sponsors": {"idx_sponsors_created_by"},
    "SELECT * FROM sponsor_proposals": {"idx_proposals_event"},
    "SELECT * FROM sponsor_lead_scores ORDER BY score DESC LIMIT 20": {"idx_lead_scores_event"},
    "SELECT * FROM follow_up_sequences": {"idx_sequences_sponsor"},
    "SELECT * FROM sponsor_activities": {"idx_sponsor_activities_event", "idx_sponsor_activities_sponsor"},
    "SELECT * FROM workflow_execution_logs": {"idx_execution_logs_workflow"},
    "SELECT * FROM email_templates": {"idx_templates_event", "idx_templates_campaign"},
    "UPDATE sponsor_lead_scores SET reviewed_at = now()": {"idx_lead_scores_event"},
    "UPDATE sponsor_proposals SET status = 'sent'": {"idx_proposals_event"},
    "DELETE FROM automation_triggers WHERE workflow_id = '00000000-0000-0000-0000-000000000007'": set(),
    "SELECT s.company_name, p.status FROM sponsors s JOIN sponsor_proposals p ON p.sponsor_id = s.id": set(),
}
MONTH: LiteralString = (
    "SELECT * FROM agent_sales_activities WHERE created_at >= '2026-02-01 00:00+00'"
    " AND created_at < '2026-03-01 00:00+00' ORDER BY created_at DESC"
)


@pytest.fixture(scope="module")
def database(shared_database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(shared_database_url, autocommit=True) as connection:
        connection.execute(_ROWS)
        yield connection


def plan(
    database: psycopg.Connection, statement: LiteralString, *, role: str = "authenticated"
) -> list[dict[str, Any]]:
    """All nodes of a statement's plan, as the organiser or as another role."""
    with acting(database, role, ORGANISER):
        row = database.execute(f"EXPLAIN (FORMAT JSON) {statement}").fetchone()
    assert row is not None
    explained = json.loads(row[0]) if isinstance(row[0], str) else row[0]
    waiting, nodes = [explained[0]["Plan"]], []
    while waiting:
        node = waiting.pop()
        nodes.append(node)
        waiting += node.get("Plans", [])
    return nodes


def read_whole(nodes: list[dict[str, Any]]) -> set[str]:
    """The tables that a plan reads from end to end."""
    return {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"}


def indexes(nodes: list[dict[str, Any]]) -> set[str]:
    return {node["Index Name"] for node in nodes if "Index Name" in node}


@pytest.mark.parametrize("statement", STATEMENTS)
def test_an_organisers_rows_are_looked_up(database: psycopg.Connection, statement: LiteralString) -> None:
    nodes = plan(database, statement)
    assert read_whole(nodes) <= {"automation_triggers"}  # which is empty here
    assert indexes(nodes) >= STATEMENTS[statement]


def test_an_organisers_month_is_looked_up_in_its_partition(database: psycopg.Connection) -> None:
    nodes = plan(database, MONTH)
    assert {node.get("Relation Name") for node in nodes} - {None} == {"agent_sales_activities_2026_02"}
    assert read_whole(nodes) == set()


def test_an_organiser_is_asked_for_once_and_not_per_row(database: psycopg.Connection) -> None:
    with acting(database, "authenticated", ORGANISER):
        rows = database.execute("EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) SELECT * FROM sponsor_proposals")
        text = "\n".join(line for (line,) in rows)
    assert re.search(r"InitPlan.*\n.*Result \(actual rows=1(\.00)? loops=1\)", text), text
    assert "actual rows=100" in text


def test_the_shape_that_the_design_began_with_reads_everybodys_rows(database: psycopg.Connection) -> None:
    """Why policies are written as they are: `EXISTS (SELECT … FROM events …)` is tried on every row."""
    with database.transaction(force_rollback=True):
        database.execute(
            "GRANT SELECT ON events TO authenticated; DROP POLICY organizers_view_event_proposals ON sponsor_proposals;"
            " CREATE POLICY organizers_manage_event_proposals ON sponsor_proposals TO authenticated USING (EXISTS ("
            "     SELECT 1 FROM events WHERE events.id = sponsor_proposals.event_id"
            "     AND events.organizer_id = auth.uid()"
            " ))"
        )
        assert "sponsor_proposals" in read_whole(plan(database, "SELECT * FROM sponsor_proposals"))


def test_conditions_that_could_tell_what_they_saw_use_an_index_only_for_services(database: psycopg.Connection) -> None:
    """Said in 0013: the GIN indexes are for those who bypass row security."""
    search: LiteralString = """SELECT id FROM marketing_campaigns WHERE content @> '{"key": 1}'"""
    assert "idx_campaigns_content" in indexes(plan(database, search, role="service_role"))
    assert indexes(plan(database, search)) >= {"idx_campaigns_event"}
    assert "idx_campaigns_content" not in indexes(plan(database, search))


def test_every_column_that_a_policy_asks_for_has_an_index_that_starts_with_it(database: psycopg.Connection) -> None:
    without = database.execute(
        r"""
        SELECT DISTINCT p.tablename::text, asked.match[1]
        FROM pg_policies p, regexp_matches(p.qual, '(\w+) = (?:ANY )?\(', 'g') AS asked (match)
        WHERE NOT EXISTS (
            SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
            WHERE i.indrelid = p.tablename::regclass AND a.attname = asked.match[1]
        )
        """
    ).fetchall()
    asked = database.execute("SELECT count(DISTINCT tablename) FROM pg_policies WHERE qual ~ ' = '").fetchone()
    assert (without, asked) == ([], (len(TABLES),))
