"""Organisers with one row in every table, and what it is to ask as one of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString
from uuid import uuid4

import psycopg
from psycopg import sql

Ids = dict[str, str]
"""The ids of an organiser's rows by table, `users` and `events` too."""

_ROWS: dict[str, LiteralString] = {
    "auth.users": "id",
    "events": "id, organizer_id, title",
    "sponsors": "id, created_by, company_name, industry",
    "sponsor_embeddings": "sponsor_id, embedding, model, model_version",
    "sponsor_activities": "id, sponsor_id, event_id, activity_type, created_at",
    "sponsor_proposals": "id, event_id, sponsor_id",
    "sponsor_lead_scores": "id, sponsor_id, event_id, score, conversion_probability, priority",
    "follow_up_sequences": "id, sponsor_id, proposal_id, sequence_type",
    "sponsorships": "id, event_id, sponsor_id, package_level, amount",
    "automation_workflows": "id, event_id, created_by, name, workflow_type, definition",
    "workflow_execution_logs": "id, workflow_id, step_id, step_name, status",
    "automation_triggers": "id, workflow_id, trigger_type",
    "sponsor_deliverables": "id, sponsorship_id, workflow_id, name, deliverable_type",
    "agent_memory": "id, event_id, sponsor_id, agent_id, memory_type, content",
    "marketing_campaigns": "id, event_id, name",
    "email_templates": "id, event_id, campaign_id, template_type, subject",
    "whatsapp_campaigns": "id, event_id, campaign_id, message_type, message",
    "event_dashboards": "id, event_id",
    "dashboard_metrics_snapshots": "id, event_id, dashboard_id, snapshot_type, bucket, metrics_snapshot",
    "agent_sales_activities": "id, event_id, sponsor_id, proposal_id, memory_id, activity_type, created_at",
    "agent_marketing_activities": "id, event_id, campaign_id, memory_id, activity_type, created_at",
    "agent_operations_activities": "id, event_id, workflow_id, memory_id, activity_type, created_at",
    "agent_support_activities": "id, event_id, memory_id, activity_type, question_id, user_question, created_at",
    "agent_analytics_activities": "id, event_id, dashboard_id, memory_id, analysis_type, created_at",
}
"""The columns of such a row, parents first."""

REFERENCES = {
    "organizer_id": "auth.users",
    "created_by": "auth.users",
    "event_id": "events",
    "sponsor_id": "sponsors",
    "proposal_id": "sponsor_proposals",
    "sponsorship_id": "sponsorships",
    "workflow_id": "automation_workflows",
    "campaign_id": "marketing_campaigns",
    "dashboard_id": "event_dashboards",
    "memory_id": "agent_memory",
}
"""The table that a column refers to, wherever it occurs."""

_VALUES: dict[str, object] = {
    "title": "Gala",
    "company_name": "Company",
    "industry": "food",
    "embedding": f"[1{',0' * 1535}]",
    "model": "m",
    "model_version": "1",
    "score": 50,
    "conversion_probability": 0.5,
    "priority": "warm",
    "sequence_type": "renewal",
    "package_level": "gold",
    "amount": 10,
    "name": "Name",
    "workflow_type": "custom",
    "definition": "{}",
    "step_id": "1",
    "step_name": "First",
    "status": "completed",
    "trigger_type": "manual",
    "deliverable_type": "booth",
    "agent_id": "agent",
    "memory_type": "episodic",
    "content": "{}",
    "template_type": "invitation",
    "subject": "Hello",
    "message_type": "text",
    "message": "Hello",
    "snapshot_type": "daily",
    "bucket": "2026-01-01T00:00:00Z",
    "metrics_snapshot": "{}",
    "question_id": "q",
    "user_question": "Where?",
    "analysis_type": "forecast",
    "created_at": "2026-01-02T00:00:00Z",
}
_KINDS = {
    "sponsor_activities": "website_visited",
    "agent_sales_activities": "email_sent",
    "agent_marketing_activities": "content_generated",
    "agent_operations_activities": "incident_response",
    "agent_support_activities": "question_answered",
}

TABLES = [table for table in _ROWS if table not in {"auth.users", "events", "sponsor_embeddings"}]
"""The tables of the seed."""


def row(table: str, ids: Ids) -> dict[str, object]:
    """Column by column such a row of an organiser's, with an id of its own."""
    values: dict[str, object] = {"id": str(uuid4())}
    for column in _ROWS[table].split(", "):
        if column in REFERENCES:
            values[column] = ids.get(REFERENCES[column])
        elif column == "activity_type":
            values[column] = _KINDS[table]
        elif column != "id":
            values[column] = _VALUES[column]
    if table == "sponsor_embeddings":
        del values["id"]
    return values


def insert(connection: psycopg.Connection, table: str, values: dict[str, object]) -> int:
    """Insert a row; return how many there are then of it."""
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(*table.split(".")),
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(", ").join(sql.Placeholder() * len(values)),
    )
    return connection.execute(statement, list(values.values())).rowcount


def add_organiser(connection: psycopg.Connection) -> Ids:
    """Insert an organiser with one row in every table and of every column that there is; return their ids."""
    ids: Ids = {}
    for table in _ROWS:
        columns = connection.execute(
            "SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass(%s)", [table]
        ).fetchall()
        if not columns:
            continue
        values = {column: value for column, value in row(table, ids).items() if (column,) in columns}
        insert(connection, table, values)
        ids[table] = str(values.get("id", values.get("sponsor_id")))
    return ids


def add_event(connection: psycopg.Connection, ids: Ids) -> str:
    """Insert one more event of an organiser's, about which there is nothing yet; return its id."""
    values = row("events", ids)
    insert(connection, "events", values)
    return str(values["id"])


@contextmanager
def acting(connection: psycopg.Connection, role: str, user: str | None = None) -> Iterator[psycopg.Connection]:
    """Act as a role, with a user's claims if one is given, in a transaction that leaves nothing."""
    with connection.transaction(force_rollback=True):
        claims = "" if user is None else f'{{"sub": "{user}", "role": "{role}"}}'
        connection.execute("SELECT set_config('request.jwt.claims', %s, true)", [claims])
        connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
        yield connection
