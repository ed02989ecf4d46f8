"""Who may do what: each service writes its own tables, reads what it needs, and nothing else.

MAY is written from the design; everything that it does not name must be refused.
"""

import re
from collections.abc import Iterator
from itertools import product

import psycopg
import pytest
from psycopg import sql

READ, APPEND, FOLD, KEEP = "select", "select insert", "select insert update", "select insert update delete"

_INTAKE = {
    "streams.control": READ,
    "streams.outbox": "insert",
    "streams.dead_letters": "select(id, service, topic, partition, record_offset, appended_at, reason, source,"
    " event_identity, status) insert update(status, updated_at)",
    "streams_g1.stream_offsets": FOLD,
    "streams_g1.processed_events": APPEND,
    "streams_g1.stale_marks": "insert",
    "public.sponsors": "select(id)",
    "public.events": "select(id)",
}
_PROJECTION = {
    "streams.control": READ,
    "streams.outbox": "insert",
    "streams_g1.stale_marks": "select insert delete",
    "streams_g1.parked_keys": KEEP,
}
_STREAMS = (
    *("streams.control", "streams.dashboard_milestones", "streams.dead_letters", "streams.outbox"),
    *("streams.replay_runs", "streams_g1.campaign_counters", "streams_g1.checked_in_tickets"),
    *("streams_g1.email_events",),
    *("streams_g1.email_messages", "streams_g1.event_counters", "streams_g1.event_counters_email_engagement"),
    *("streams_g1.event_counters_sponsor_activity", "streams_g1.event_counters_ticket_sales"),
    *("streams_g1.lead_signals", "streams_g1.lead_signals_email_engagement", "streams_g1.lead_signals_ticket_sales"),
    *("streams_g1.lead_signals_sponsor_activity", "streams_g1.parked_keys", "streams_g1.processed_events"),
    *("streams_g1.proposal_counters", "streams_g1.stale_marks", "streams_g1.stream_offsets"),
    *("streams_g1.ticket_events", "streams_g1.ticket_orders", "streams.sponsor_performance_summary"),
)
_PUBLIC = (
    *("public.agent_analytics_activities", "public.agent_marketing_activities", "public.agent_memory"),
    *("public.agent_operations_activities", "public.agent_sales_activities", "public.agent_support_activities"),
    *("public.automation_triggers", "public.automation_workflows", "public.dashboard_metrics_snapshots"),
    *("public.email_templates", "public.event_dashboards", "public.events", "public.follow_up_sequences"),
    *("public.marketing_campaigns", "public.sponsor_activities", "public.sponsor_deliverables"),
    *("public.sponsor_embeddings", "public.sponsor_lead_scores", "public.sponsor_proposals", "public.sponsors"),
    *("public.sponsorships", "public.whatsapp_campaigns", "public.workflow_execution_logs"),
)
_BY_SERVICES = (
    *("public.sponsor_activities", "public.sponsor_lead_scores", "public.workflow_execution_logs"),
    *("public.agent_sales_activities", "public.agent_marketing_activities", "public.agent_operations_activities"),
    *("public.agent_support_activities", "public.agent_analytics_activities"),
    *("public.event_dashboards", "public.dashboard_metrics_snapshots"),
)
_REVIEW = "select update(reviewed_at, review_note)"

# What upstream decides about a row that it owns, as columns: all but ids, times of making, and what services compute.
_SPONSOR = (
    "company_name, industry, website, logo_url, industries_of_interest, event_types, geographic_preferences, values,"
    " min_budget, max_budget, currency, primary_contact_name, primary_contact_email, primary_contact_phone"
)
_DECIDED = {
    "public.sponsor_proposals": "event_id, sponsor_id, package_level, proposed_amount, currency, content, status,"
    " sent_at",
    "public.follow_up_sequences": "sponsor_id, proposal_id, sequence_type, status, emails",
    "public.marketing_campaigns": "event_id, name, channels, content, status",
    "public.email_templates": "campaign_id, event_id, template_type, subject, body, status",
}
_WORKFLOW = "event_id, name, workflow_type, definition, status, steps_total, max_retries, next_execution_at"
_TRIGGER = "workflow_id, trigger_type, trigger_config, status"
_WHATSAPP = "campaign_id, event_id, message_type, message, language, target_audience, status, scheduled_at"

MAY: dict[str, dict[str, str]] = {
    "eventos_sponsor_activity": {
        "streams_g1.lead_signals_sponsor_activity": FOLD,
        "streams_g1.event_counters_sponsor_activity": FOLD,
        **_PROJECTION,
        **_INTAKE,
        "streams_g1.stale_marks": "select insert delete",
        "streams_g1.proposal_counters": FOLD,
        "public.sponsor_activities": APPEND,
        "public.sponsorships": APPEND,
        "public.sponsor_proposals": "select update(total_views)",
    },
    "eventos_email_engagement": {
        "streams_g1.lead_signals_email_engagement": FOLD,
        "streams_g1.event_counters_email_engagement": FOLD,
        **_PROJECTION,
        **_INTAKE,
        "streams_g1.stale_marks": "select insert delete",
        "streams_g1.email_events": APPEND,
        "streams_g1.email_messages": FOLD,
        "streams_g1.campaign_counters": FOLD,
        "public.agent_sales_activities": KEEP,
        "public.marketing_campaigns": "select update(emails_sent)",
        "public.email_templates": "select update(sent_count, opened_count)",
        "public.follow_up_sequences": "select update(emails_sent, replies_received, status)",
    },
    "eventos_ticket_sales": {
        "streams_g1.lead_signals_ticket_sales": FOLD,
        "streams_g1.event_counters_ticket_sales": FOLD,
        **_INTAKE,
        "streams_g1.ticket_events": APPEND,
        "streams_g1.checked_in_tickets": APPEND,
        "streams_g1.ticket_orders": FOLD,
    },
    "eventos_lead_scoring": {
        **_PROJECTION,
        "streams.control": FOLD,
        "streams_g1.lead_signals": READ,
        "public.events": READ,
        "public.sponsor_embeddings": READ,
        "public.sponsor_proposals": READ,
        "public.sponsor_lead_scores": KEEP,
        "public.sponsors": "select(id, created_by, company_name, industry, industries_of_interest, event_types,"
        " geographic_preferences, values, min_budget, max_budget, currency, total_sponsorships, average_roi,"
        " renewal_rate, engagement_score, created_at) update(engagement_score)",
    },
    "eventos_event_dashboards": {
        **_PROJECTION,
        "streams.dashboard_milestones": APPEND,
        "streams_g1.event_counters": READ,
        "streams_g1.ticket_orders": READ,
        "public.events": READ,
        "public.event_dashboards": KEEP,
        "public.dashboard_metrics_snapshots": APPEND,
    },
    "eventos_outbox_relay": {
        "streams.control": READ,
        "streams.outbox": "select delete",
    },
    "eventos_operator": {
        **dict.fromkeys((*_STREAMS, *_PUBLIC), READ),
        "streams.outbox": APPEND,
        "streams.dead_letters": "select update",
        "streams.replay_runs": FOLD,
        "streams_g1.stream_offsets": "select update",
        "streams_g1.stale_marks": APPEND,
    },
    "anon": {},
    "authenticated": {
        **{table: f"select insert({columns}) update({columns})" for table, columns in _DECIDED.items()},
        "public.sponsors": f"select insert(created_by, {_SPONSOR}) update({_SPONSOR})",
        "public.sponsor_activities": READ,
        "public.sponsor_lead_scores": _REVIEW,
        "public.sponsorships": "select update(status)",
        "public.sponsor_deliverables": READ,
        "public.sponsor_performance_summary": READ,
        "public.automation_workflows": f"select insert(created_by, {_WORKFLOW}) update({_WORKFLOW})",
        "public.automation_triggers": f"select insert({_TRIGGER}) update({_TRIGGER}) delete",
        "public.workflow_execution_logs": _REVIEW,
        "public.agent_sales_activities": _REVIEW,
        "public.agent_marketing_activities": _REVIEW,
        "public.agent_operations_activities": _REVIEW,
        "public.agent_support_activities": _REVIEW,
        "public.agent_analytics_activities": _REVIEW,
        "public.agent_memory": "select delete",
        "public.whatsapp_campaigns": f"select insert({_WHATSAPP}) update({_WHATSAPP})",
        "public.event_dashboards": READ,
        "public.dashboard_metrics_snapshots": READ,
    },
    "service_role": {
        **{table: f"select insert update({columns}) delete" for table, columns in _DECIDED.items()},
        **dict.fromkeys(_BY_SERVICES, READ),
        "public.sponsors": f"select insert update(created_by, {_SPONSOR}, total_sponsorships, average_roi,"
        " renewal_rate) delete",
        "public.sponsor_embeddings": KEEP,
        "public.sponsorships": KEEP,
        "public.sponsor_deliverables": KEEP,
        "public.automation_workflows": f"select insert update(created_by, {_WORKFLOW}) delete",
        "public.automation_triggers": f"select insert update({_TRIGGER}) delete",
        "public.agent_memory": "select delete",
        "public.whatsapp_campaigns": KEEP,
    },
}
_INTAKE_ROLES = {"eventos_sponsor_activity", "eventos_email_engagement", "eventos_ticket_sales"}
MAY_CALL = {
    "streams.lock_references": {*_INTAKE_ROLES, "eventos_lead_scoring"},
    "streams.take_up_letters": _INTAKE_ROLES,
    "streams.expire_letters": _INTAKE_ROLES,
    "streams.ensure_sales_activity_months": {"eventos_email_engagement", "eventos_operator"},
    "streams.detach_sales_activity_months": {"eventos_operator"},
    "streams.refresh_sponsor_performance": {"eventos_lead_scoring"},
    "streams.mark": set[str](),
    # Policies call these for `authenticated`, which has EXECUTE; nobody else can even name them.
    "streams.own_events": set[str](),
    "streams.own_sponsors": set[str](),
    "streams.own_campaigns": set[str](),
    "streams.own_workflows": set[str](),
    "streams.own_sponsorships": set[str](),
    "streams.is_own_proposal": set[str](),
}
SERVICES = [role for role in MAY if role.startswith("eventos_")]

SPONSOR, EVENT = "07923986-bb96-4a43-bd5c-8dfc5eda92d8", "35bf992d-c9e9-4616-a12e-7696a6cecc1b"


@pytest.fixture
def database(database_url: str) -> Iterator[psycopg.Connection]:
    """The test's database, as its owner; each statement by itself."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def tables(database: psycopg.Connection) -> dict[str, list[str]]:
    """Every table of ours, with its columns; of months, which are all alike, the oldest."""
    return dict(
        database.execute(
            "SELECT format('%s.%s', n.nspname, c.relname), array_agg(a.attname::text ORDER BY a.attnum)"
            " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
            " WHERE n.nspname IN ('public', 'streams', 'streams_g1') AND c.relkind IN ('r', 'p', 'v', 'm')"
            r" AND c.relname !~ '_\d{4}_\d\d$' GROUP BY 1"
        ).fetchall()
    )


def rights(words: str, columns: list[str]) -> set[tuple[str, str]]:
    """The (verb, column) that words such as `select update(status)` allow; a DELETE has no column."""
    allowed = set[tuple[str, str]]()
    for verb, some in re.findall(r"(\w+)(?:\(([^)]*)\))?", words):
        named = re.findall(r"\w+", some) if some else columns
        allowed |= {(verb, "")} if verb == "delete" else {(verb, column) for column in named}
    return allowed


def attempt(database: psycopg.Connection, verb: str, table: str, column: str) -> bool:
    """Whether Postgres would do it. EXPLAIN checks the rights and does nothing."""
    statements = {
        "select": "EXPLAIN SELECT {column} FROM {table}",
        "insert": "EXPLAIN INSERT INTO {table} ({column}) VALUES (DEFAULT)",
        "update": "EXPLAIN UPDATE {table} SET {column} = DEFAULT",
        "delete": "EXPLAIN DELETE FROM {table}",
    }
    names = {"table": sql.Identifier(*table.split(".")), "column": sql.Identifier(column or "none")}
    try:
        database.execute(sql.SQL(statements[verb]).format(**names))
    except (
        psycopg.errors.InsufficientPrivilege,
        psycopg.errors.WrongObjectType,  # a materialized view is not written
        psycopg.errors.ObjectNotInPrerequisiteState,  # nor is a view of one
    ):
        return False
    return True


def test_a_role_may_do_what_the_design_gives_it_and_nothing_else(database: psycopg.Connection) -> None:
    everything = tables(database)
    assert set(everything) >= {table for role in MAY.values() for table in role}
    differences = list[str]()
    for role in MAY:
        database.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        differences += [
            f"{role}: {verb} {table}({column}) should be {'allowed' if wanted else 'refused'}"
            for table, columns in everything.items()
            for allowed in [rights(MAY[role].get(table, ""), columns)]
            for verb, column in [("delete", ""), *product(("select", "insert", "update"), columns)]
            for wanted in [(verb, column) in allowed]
            if attempt(database, verb, table, column) is not wanted
        ]
    assert differences == []


def test_operators_read_every_table_and_partitions_through_their_parent(database: psycopg.Connection) -> None:
    others = {"public.agent_sales_activities_before_2020", "public.sponsor_performance_summary"}  # an organiser's own
    assert set(tables(database)) - others == set(MAY["eventos_operator"])


def test_functions_that_lend_their_owners_rights_are_for_those_who_need_them(database: psycopg.Connection) -> None:
    for function, expected in MAY_CALL.items():
        callers = database.execute(
            "SELECT r.rolname FROM pg_roles r, pg_proc p WHERE p.oid = %s::regproc AND r.rolname = ANY (%s)"
            " AND has_schema_privilege(r.oid, p.pronamespace, 'USAGE')"
            " AND has_function_privilege(r.oid, p.oid, 'EXECUTE')",
            [function, list(MAY)],
        ).fetchall()
        assert {name for (name,) in callers} == expected, function


def test_whatever_runs_with_its_owners_rights_looks_names_up_in_a_fixed_place(database: psycopg.Connection) -> None:
    loose = database.execute(
        "SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
        " WHERE n.nspname LIKE 'streams%' AND p.prosecdef"
        " AND p.proconfig IS DISTINCT FROM ARRAY['search_path=pg_catalog, pg_temp']"
    ).fetchall()
    assert loose == []


def test_clients_of_the_platform_do_not_reach_the_services_tables(database: psycopg.Connection) -> None:
    reached = database.execute(
        "SELECT r.rolname, n.nspname FROM pg_roles r, pg_namespace n"
        " WHERE r.rolname IN ('anon', 'authenticated', 'service_role')"
        " AND n.nspname IN ('streams', 'streams_g1', 'eventos_migrations')"
        " AND has_schema_privilege(r.oid, n.oid, 'USAGE')"
    ).fetchall()
    assert reached == []


def test_row_security_hides_nothing_from_services_and_nobody_logs_in_as_one(database: psycopg.Connection) -> None:
    found = database.execute(
        "SELECT rolname, rolbypassrls, rolcanlogin, rolsuper FROM pg_roles WHERE rolname = ANY (%s)", [SERVICES]
    ).fetchall()
    assert sorted(found) == [(role, True, False, False) for role in sorted(SERVICES)]


@pytest.mark.parametrize("table", ["lead_signals", "event_counters"])
def test_a_writers_partition_takes_its_own_rows_only(database: psycopg.Connection, table: str) -> None:
    columns, values = {
        "lead_signals": ("sponsor_id, signal, day, n", "gen_random_uuid(), 'ticket_order', '2026-01-01', 1"),
        "event_counters": ("event_id, metric, shard, n", "gen_random_uuid(), 'views', 0, 1"),
    }[table]
    insert = f"INSERT INTO streams_g1.{table}_ticket_sales (service, {columns}) VALUES (%s, {values})"  # noqa: S608
    take_role(database, "ticket_sales")
    database.execute(insert.encode(), ["ticket_sales"])
    with pytest.raises(psycopg.errors.CheckViolation):
        database.execute(insert.encode(), ["email_engagement"])


class TestLockReferences:
    """The lock that intake takes on sponsors and events without a right to write them."""

    LOCK = "SELECT * FROM streams.lock_references(%s::uuid[], %s::uuid[])"

    @pytest.fixture(autouse=True)
    def rows(self, database: psycopg.Connection) -> None:
        database.execute("INSERT INTO sponsors (id, company_name, industry) VALUES (%s, 'Company', 'food')", [SPONSOR])
        database.execute("INSERT INTO events (id, title) VALUES (%s, 'Gala')", [EVENT])

    def test_it_says_which_exist_each_in_its_own_table(self, database: psycopg.Connection) -> None:
        take_role(database, "ticket_sales")
        found = database.execute(self.LOCK, [[SPONSOR, EVENT], [EVENT, SPONSOR]]).fetchall()
        assert [(kind, str(id_)) for kind, id_ in found] == [("sponsor", SPONSOR), ("event", EVENT)]
        assert database.execute(self.LOCK, [[EVENT], [SPONSOR]]).fetchall() == []
        assert database.execute(self.LOCK, [[], []]).fetchall() == []

    @pytest.mark.parametrize("table", ["sponsors", "events"])
    def test_rows_cannot_be_deleted_before_the_transaction_ends_and_may_be_changed(
        self, database: psycopg.Connection, database_url: str, table: str
    ) -> None:
        name = sql.Identifier(table)
        with psycopg.connect(database_url) as intake:
            take_role(intake, "ticket_sales")
            intake.execute(self.LOCK, [[SPONSOR], [EVENT]])
            database.execute("SET lock_timeout TO '100ms'")
            database.execute(sql.SQL("UPDATE {} SET currency = 'EUR'").format(name))
            with pytest.raises(psycopg.errors.LockNotAvailable):
                database.execute(sql.SQL("DELETE FROM {}").format(name))
            intake.commit()
        database.execute(sql.SQL("DELETE FROM {}").format(name))

    @pytest.mark.parametrize("table", ["sponsors", "events"])
    def test_without_it_a_service_cannot_lock_them(self, database: psycopg.Connection, table: str) -> None:
        take_role(database, "ticket_sales")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            database.execute(sql.SQL("SELECT id FROM {} FOR KEY SHARE").format(sql.Identifier(table)))


def take_role(connection: psycopg.Connection, service: str) -> None:
    """Become a service, as its connections do."""
    connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(f"eventos_{service}")))
