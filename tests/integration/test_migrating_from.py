"""Wherever a database comes from, it ends with the same schema, and with its rows."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import LiteralString
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from infra.postgres.migrate import migrate, rollback
from tests.support.catalogue import EVENTOS_OWN, query, schema
from tests.support.organisers import TABLES, Ids, acting, add_organiser
from tests.support.servers import Servers

LAST_OF_BEFORE = "0009.grants"

# As Supabase sets a database up: the platform's role owns users and events, pgvector is in a schema of its own, row
# security is on, and whatever the migrating role makes in public is granted to all three roles of the platform.
_SUPABASE: LiteralString = """
    CREATE SCHEMA extensions;
    CREATE EXTENSION vector WITH SCHEMA extensions;
    GRANT USAGE ON SCHEMA extensions TO public;
    CREATE SCHEMA auth AUTHORIZATION {platform};
    SET ROLE {platform};
    CREATE TABLE auth.users (id uuid PRIMARY KEY, aud varchar, email varchar, created_at timestamptz);
    CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $$
        SELECT coalesce(
            nullif(current_setting('request.jwt.claim.sub', true), ''),
            nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
        )::uuid
    $$;
    GRANT USAGE ON SCHEMA auth TO {migrator}, anon, authenticated, service_role;
    GRANT ALL ON auth.users TO {migrator};
    RESET ROLE;
    GRANT CREATE ON SCHEMA public TO {platform}, {migrator};
    SET ROLE {platform};
    CREATE TABLE public.events (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(), slug text, organizer_id uuid NOT NULL REFERENCES auth.users (id),
        title text NOT NULL, event_type text, industry text, location text, values text[] DEFAULT '{{}}',
        currency text NOT NULL DEFAULT 'USD', capacity integer, starts_at timestamptz, ends_at timestamptz, status text,
        embedding extensions.vector(1536)
    );
    ALTER TABLE public.events ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON public.events TO authenticated USING (organizer_id = auth.uid());
    GRANT ALL ON public.events TO {migrator}, anon, authenticated, service_role;
    RESET ROLE;
    ALTER DEFAULT PRIVILEGES FOR ROLE {migrator} IN SCHEMA public
        GRANT ALL ON TABLES TO anon, authenticated, service_role;
    ALTER DEFAULT PRIVILEGES FOR ROLE {migrator} IN SCHEMA public
        GRANT ALL ON FUNCTIONS TO anon, authenticated, service_role;
"""


@contextmanager
def role(connection: psycopg.Connection, options: LiteralString = "") -> Iterator[str]:
    """A role of the test's own; what it has in the database is the connection's user's afterwards."""
    name = f"eventos_owner_{uuid4().hex}"
    connection.execute(sql.SQL("CREATE ROLE {} LOGIN {}").format(sql.Identifier(name), sql.SQL(options)))
    try:
        yield name
    finally:
        connection.execute("RESET ROLE")
        for end in ("REASSIGN OWNED BY {} TO CURRENT_USER", "DROP OWNED BY {}", "DROP ROLE {}"):
            connection.execute(sql.SQL(end).format(sql.Identifier(name)))


@pytest.fixture
def supabase(servers: Servers, template_database: str, empty_database_url: str) -> Iterator[str]:
    """Address of a database like Supabase's, as its migrating user."""
    with psycopg.connect(empty_database_url, autocommit=True) as superuser, ExitStack() as cleanup:
        platform = cleanup.enter_context(role(superuser))
        migrator = cleanup.enter_context(role(superuser, "CREATEROLE BYPASSRLS"))
        names = {"platform": sql.Identifier(platform), "migrator": sql.Identifier(migrator)}
        superuser.execute(sql.SQL(_SUPABASE).format(**names))
        for (service,) in superuser.execute(
            r"SELECT rolname FROM pg_roles WHERE rolname ~ '^eventos_[a-z_]+$'"
        ).fetchall():
            superuser.execute(sql.SQL("GRANT {} TO {migrator}").format(sql.Identifier(service), **names))
        database = sql.Identifier(superuser.info.dbname)
        superuser.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {migrator}").format(database, **names))
        yield make_conninfo(empty_database_url, user=migrator)
        superuser.execute(sql.SQL("REVOKE CREATE ON DATABASE {} FROM {migrator}").format(database, **names))


def ours(url: str) -> list[tuple[object, ...]]:
    """The schema without what is EventOS's own, but with our triggers on it."""
    return [each for each in schema(url) if each[1] not in EVENTOS_OWN or each[0] == "trigger"]


def rows(url: str) -> dict[str, list[tuple[object, ...]]]:
    """All rows of the tables that there are, without columns that are empty."""
    tables = [table for table in TABLES if query(url, "SELECT to_regclass(%s)::text", table) != [(None,)]]
    with psycopg.connect(url) as connection:
        return {
            table: connection.execute(
                sql.SQL("SELECT jsonb_strip_nulls(to_jsonb(t)) FROM {} t ORDER BY t.id").format(sql.Identifier(table))
            ).fetchall()
            for table in tables
        }


def organiser(url: str) -> Ids:
    with psycopg.connect(url) as connection:
        return add_organiser(connection)


def test_a_database_like_supabases_gets_the_same_schema_as_an_empty_one(supabase: str, database_url: str) -> None:
    migrate(supabase)
    found, expected = set(ours(supabase)), set(ours(database_url))
    assert found - expected == expected - found == set()


def test_there_an_organiser_meets_what_is_theirs_and_services_can_work(supabase: str, empty_database_url: str) -> None:
    migrate(supabase)
    mine, others = organiser(empty_database_url), organiser(empty_database_url)
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        for client, expected in ((mine["auth.users"], 1), (str(uuid4()), 0)):
            with acting(connection, "authenticated", client):
                for table in (*TABLES, "events"):
                    count = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
                    assert connection.execute(count).fetchone() == (expected,), table
    with psycopg.connect(supabase) as migrator:
        migrator.execute("SELECT streams.ensure_sales_activity_months('2022-01-01', '2022-01-31')")
        open_to_clients = migrator.execute(
            "SELECT c.relname FROM pg_class c, unnest(ARRAY['anon', 'authenticated', 'service_role']) AS r (name)"
            " WHERE c.relname LIKE 'agent_sales_activities\\_%%' AND c.relkind = 'r'"
            " AND has_table_privilege(r.name, c.oid, %s)",
            ["SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER"],
        ).fetchall()
        assert open_to_clients == []
        migrator.execute("SET ROLE eventos_ticket_sales")
        lock = "SELECT kind FROM streams.lock_references(ARRAY[%s]::uuid[], ARRAY[%s]::uuid[])"
        assert migrator.execute(lock, [others["sponsors"], others["events"]]).fetchall() == [("sponsor",), ("event",)]


def test_what_only_the_owner_of_events_can_do_is_said_as_statements_that_do_it(
    supabase: str, empty_database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    migrate(supabase)
    warnings = [record.getMessage() for record in caplog.records if record.name == "infra.postgres.migrate"]
    statements = [each.group(2) for text in warnings if (each := re.search(r"Let (eventos_owner_\w+): (.+)", text))]
    assert [statement[:12] for statement in statements] == ["CREATE INDEX", "GRANT SELECT", "GRANT SELECT"]
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        owner = connection.execute(
            "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'events'::regclass"
        ).fetchone()
        assert owner is not None
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(owner[0])))
        for statement in statements:
            connection.execute(statement.encode())
        connection.execute("RESET ROLE")
        for service in ("lead_scoring", "event_dashboards", "operator", "sponsor_activity", "ticket_sales"):
            with acting(connection, f"eventos_{service}"):
                connection.execute("SELECT id FROM events")


def test_the_database_of_before_keeps_its_rows_and_gets_the_same_schema(database_url: str) -> None:
    expected = ours(database_url)
    rollback(database_url, LAST_OF_BEFORE)
    organiser(database_url)
    before = rows(database_url)
    assert len(before) == 11
    migrate(database_url)
    after = rows(database_url)
    assert {table: after[table] for table in before} == before
    assert ours(database_url) == expected


def test_down_to_before_and_up_again_keeps_every_row_of_before(database_url: str) -> None:
    organiser(database_url)
    query(database_url, "UPDATE agent_sales_activities SET memory_id = NULL")  # goes with its column, as do reviews
    before = rows(database_url)
    rollback(database_url, LAST_OF_BEFORE)
    kept = rows(database_url)
    assert kept == {table: before[table] for table in kept}
    assert set(before) - set(kept) == {
        *("sponsor_deliverables", "automation_workflows", "workflow_execution_logs", "automation_triggers"),
        *("agent_marketing_activities", "agent_operations_activities", "agent_support_activities"),
        *("agent_analytics_activities", "agent_memory", "whatsapp_campaigns"),
    }
    migrate(database_url)
    assert {table: each for table, each in rows(database_url).items() if table in kept} == kept


def test_row_security_comes_and_goes_without_a_row(database_url: str) -> None:
    organiser(database_url)
    before = rows(database_url)
    rollback(database_url, "0012.phase-3-whatsapp")
    assert rows(database_url) == before
    closed = query(
        database_url,
        "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')"
        " AND has_table_privilege('authenticated', c.oid, 'SELECT')",
    )
    assert closed == []  # without policies nothing is left open
    migrate(database_url)
    assert rows(database_url) == before
