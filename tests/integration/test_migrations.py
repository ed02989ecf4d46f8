"""Migrations: from nothing or from what EventOS has to the declared schema, back, and never half-way."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import LiteralString
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from infra.postgres import migrate as migrating
from infra.postgres.migrate import MIGRATIONS, MigrationError, migrate, pending, rollback
from tests.support.catalogue import query, schema
from tests.support.servers import Servers

ALL = sorted(path.stem for path in MIGRATIONS.glob("*.sql") if not path.name.endswith(".rollback.sql"))
NAMED_BY_THE_SEED = {
    *("idx_sponsors_industry", "idx_sponsors_budget", "idx_sponsors_engagement", "idx_sponsors_vector"),
    *("idx_sponsor_activities_sponsor", "idx_proposals_event", "idx_proposals_status", "idx_campaigns_content"),
    *("idx_sales_activities_event", "idx_sales_activities_sponsor", "idx_sales_activities_type"),
    *("idx_sales_activities_escalated", "idx_dashboards_event", "idx_dashboards_organizer", "idx_dashboards_views"),
    *("idx_dashboards_revenue", "idx_dashboards_metrics", "idx_workflows_event", "idx_workflows_status"),
    *("idx_workflows_next_exec", "idx_workflows_type", "idx_workflows_definition", "idx_agent_memory_agent"),
    *("idx_agent_memory_type", "idx_agent_memory_expires", "idx_agent_memory_content"),
}
ROWS: LiteralString = """
    INSERT INTO auth.users (id) VALUES ('cd613e30-d8f1-4adf-91b7-584a2265b1f5');
    INSERT INTO events (id, organizer_id, title)
        VALUES ('35bf992d-c9e9-4616-a12e-7696a6cecc1b', 'cd613e30-d8f1-4adf-91b7-584a2265b1f5', 'Gala');
    INSERT INTO sponsors (id, company_name, industry)
        VALUES ('07923986-bb96-4a43-bd5c-8dfc5eda92d8', 'Company', 'food');
    INSERT INTO sponsorships (event_id, sponsor_id, package_level, amount)
        VALUES ('35bf992d-c9e9-4616-a12e-7696a6cecc1b', '07923986-bb96-4a43-bd5c-8dfc5eda92d8', 'gold', 10);
    INSERT INTO agent_sales_activities (activity_type, created_at) VALUES ('email_sent', '2026-01-31 23:59:59.9+00');
"""


def write(folder: Path, **files: str) -> Path:
    """Write migrations into `folder`: their names without number and suffix, in order."""
    for number, (name, text) in enumerate(files.items(), 1):
        (folder / f"{number:04}.{name}.sql").write_text(text)
    return folder


def migrator(url: str, migrations: Path = MIGRATIONS) -> subprocess.Popen[str]:
    """Start a process that migrates and prints what it applied."""
    script = (
        "import sys, pathlib; from infra.postgres.migrate import migrate;"
        "print(*migrate(sys.argv[1], pathlib.Path(sys.argv[2])))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", script, url, str(migrations)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=MIGRATIONS.parents[2],
    )


class TestUpAndDown:
    def test_an_empty_database_gets_everything_once(self, empty_database_url: str) -> None:
        assert pending(empty_database_url) == ALL
        assert query(empty_database_url, "SELECT FROM pg_namespace WHERE nspname LIKE 'eventos%'") == []  # only looked
        assert migrate(empty_database_url) == ALL
        assert pending(empty_database_url) == migrate(empty_database_url) == []

    def test_down_and_up_again_gives_the_same_schema_and_keeps_what_is_not_ours(self, database_url: str) -> None:
        before = schema(database_url)
        query(database_url, ROWS)
        assert rollback(database_url, None) == ALL[::-1]
        assert query(database_url, "SELECT title FROM events JOIN auth.users u ON u.id = organizer_id") == [("Gala",)]
        assert pending(database_url) == migrate(database_url) == ALL
        assert schema(database_url) == before

    def test_it_is_undone_down_to_any_of_them(self, database_url: str) -> None:
        before = schema(database_url)
        query(database_url, ROWS)
        for number, kept in reversed([*enumerate(ALL, 1)]):
            assert rollback(database_url, kept) == ALL[number:][::-1]
            assert migrate(database_url) == ALL[number:]
            assert schema(database_url) == before, kept

    def test_what_is_undone_must_be_named_right(self, database_url: str) -> None:
        with pytest.raises(ValueError, match="no migration is called 'nonsense'"):
            rollback(database_url, "nonsense")
        assert pending(database_url) == []

    def test_what_eventos_has_already_is_left_as_it_is(self, empty_database_url: str) -> None:
        query(
            empty_database_url,
            """
            CREATE EXTENSION vector;
            CREATE SCHEMA auth;
            CREATE TABLE auth.users (id uuid PRIMARY KEY, aud text);
            CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS 'SELECT NULL::uuid';
            CREATE TABLE events (
                id uuid PRIMARY KEY, organizer_id uuid NOT NULL, title text, event_type text, industry text,
                location text, values text[], currency text, capacity int, embedding vector(1536), slug text
            );
            INSERT INTO events (id, organizer_id, slug) VALUES (gen_random_uuid(), gen_random_uuid(), 'gala');
            """,
        )
        assert migrate(empty_database_url) == ALL
        assert query(empty_database_url, "SELECT slug, auth.uid() FROM events") == [("gala", None)]

    def test_an_events_table_that_lacks_what_is_read_is_refused_by_name(self, empty_database_url: str) -> None:
        query(
            empty_database_url,
            "CREATE TABLE events (id uuid PRIMARY KEY, organizer_id uuid, title text, values text[])",
        )
        lacking = "lacks: event_type, industry, location, currency, capacity, embedding"
        with pytest.raises(MigrationError, match=f"0001.*{lacking}"):
            migrate(empty_database_url)
        assert query(empty_database_url, "SELECT to_regnamespace('auth')::text, to_regtype('vector')::text") == [
            (None, None)
        ]


class TestNeverHalfDone:
    def test_a_migration_that_fails_leaves_nothing_and_those_before_it_stay(
        self, empty_database_url: str, tmp_path: Path
    ) -> None:
        folder = write(tmp_path, good="CREATE TABLE a (n int);", bad="CREATE TABLE b (n int); SELECT 1 / 0;")
        with pytest.raises(MigrationError, match=r"0002\.bad: apply failed.*division by zero"):
            migrate(empty_database_url, folder)
        assert query(empty_database_url, "SELECT to_regclass('a')::text, to_regclass('b')::text") == [("a", None)]
        write(tmp_path, good="CREATE TABLE a (n int);", bad="CREATE TABLE b (n int);")
        assert migrate(empty_database_url, folder) == ["0002.bad"]

    def test_a_migrator_that_is_killed_leaves_nothing_and_bars_nobody(
        self, empty_database_url: str, tmp_path: Path
    ) -> None:
        folder = write(tmp_path, slow="CREATE TABLE a (n int); DO $$ BEGIN PERFORM pg_sleep(60); END $$;")
        with psycopg.connect(empty_database_url, autocommit=True) as watcher:
            killed = migrator(empty_database_url, folder)
            sleeping = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
            while (session := watcher.execute(sleeping).fetchone()) is None:
                assert killed.poll() is None
            killed.kill()
            killed.communicate()
            watcher.execute("SELECT pg_terminate_backend(%s, 10000)", session)  # or Postgres would sleep on
        assert query(empty_database_url, "SELECT to_regclass('a')::text") == [(None,)]
        write(tmp_path, slow="CREATE TABLE a (n int);")
        assert migrate(empty_database_url, folder) == ["0001.slow"]

    def test_two_migrators_at_once_apply_each_once(self, empty_database_url: str) -> None:
        outputs = [process.communicate()[0].split() for process in [migrator(empty_database_url) for _ in range(2)]]
        assert sorted(outputs) == [[], ALL]

    def test_a_table_in_use_is_waited_for_only_so_long(
        self, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(migrating, "LOCK_TIMEOUT", "100ms")
        folder = write(tmp_path, more="ALTER TABLE public.sponsors ADD COLUMN more text;")
        with psycopg.connect(database_url) as user:
            user.execute("SELECT count(*) FROM sponsors")
            with pytest.raises(MigrationError, match="lock timeout"):
                migrate(database_url, folder)
        assert migrate(database_url, folder) == ["0001.more"]


class TestAMigratorWithoutSuperuser:
    @pytest.fixture
    def owner(self, servers: Servers, template_database: str) -> Iterator[str]:
        name = f"eventos_owner_{uuid4().hex}"
        with psycopg.connect(servers.database_url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE BYPASSRLS").format(sql.Identifier(name)))
            yield name
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))

    @pytest.fixture
    def owned_url(self, owner: str, empty_database_url: str) -> Iterator[str]:
        with psycopg.connect(empty_database_url, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION vector")
            database = sql.Identifier(connection.info.dbname)
            connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database, sql.Identifier(owner)))
            yield psycopg.conninfo.make_conninfo(empty_database_url, user=owner)
            connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO CURRENT_USER").format(database))
            connection.execute(sql.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(sql.Identifier(owner)))
            connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(owner)))

    def test_one_who_may_not_take_a_role_that_exists_is_told_what_to_do(self, owned_url: str, owner: str) -> None:
        with pytest.raises(MigrationError, match=f"GRANT eventos_sponsor_activity TO {owner}"):
            migrate(owned_url)

    def test_one_who_may_can_do_all_of_it_and_act_as_each_service(
        self, owned_url: str, owner: str, empty_database_url: str
    ) -> None:
        roles = [
            name
            for (name,) in query(
                empty_database_url, r"SELECT rolname FROM pg_roles WHERE rolname ~ '^eventos_[a-z_]+$'"
            )
        ]
        with psycopg.connect(empty_database_url, autocommit=True) as superuser:
            for role in roles:
                names = sql.Identifier(str(role)), sql.Identifier(owner)
                superuser.execute(sql.SQL("GRANT {} TO {}").format(*names))
        assert migrate(owned_url) == ALL
        for role in roles:
            with psycopg.connect(owned_url) as service:
                service.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(str(role))))
                assert service.execute("SELECT value FROM streams.control WHERE name = 'generation'").fetchone() == (1,)
        query(owned_url, ROWS)
        assert query(owned_url, "SELECT count(*) FROM streams_g1.stale_marks") == [(3,)]


class TestWhatTheyMake:
    def test_the_indexes_that_the_seed_names_are_there(self, database_url: str) -> None:
        found = query(database_url, "SELECT indexname FROM pg_indexes WHERE schemaname = 'public'")
        assert {name for (name,) in found} >= NAMED_BY_THE_SEED

    def test_every_table_says_what_it_is_for_and_every_index_which_query_it_serves(self, database_url: str) -> None:
        silent = query(
            database_url,
            """
            SELECT c.oid::regclass::text FROM pg_class c
            WHERE c.relnamespace::regnamespace::text IN ('public', 'streams', 'streams_g1')
              AND c.relkind IN ('r', 'p', 'i', 'I') AND NOT c.relispartition AND c.oid <> 'public.events'::regclass
              AND obj_description(c.oid, 'pg_class') IS NULL
              AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid)
            """,
        )
        assert silent == []

    def test_every_foreign_key_has_an_index_that_starts_with_it(self, database_url: str) -> None:
        without = query(
            database_url,
            """
            SELECT k.conrelid::regclass::text, k.conname::text FROM pg_constraint k
            WHERE k.contype = 'f' AND k.conparentid = 0 AND k.conrelid <> 'public.events'::regclass AND NOT EXISTS (
                SELECT FROM pg_index i WHERE i.indrelid = k.conrelid AND i.indkey[0] = k.conkey[1]
            )
            """,
        )
        assert without == []

    def test_sales_activities_of_any_time_land_and_months_are_utc(self, database_url: str) -> None:
        rows = query(
            database_url,
            """
            SET timezone TO 'Pacific/Auckland';
            SELECT streams.ensure_sales_activity_months('2021-05-31', '2021-06-01');
            INSERT INTO agent_sales_activities (activity_type, created_at)
            VALUES ('email_sent', '0001-01-01 00:00+00'), ('email_sent', '2021-05-31 23:59:59.999999+00'),
                   ('email_sent', '2021-06-01 00:00+00'), ('email_sent', now())
            RETURNING substring(tableoid::regclass::text FROM 'activities_(.*)')
            """,
        )
        this_month = query(database_url, "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')")[0]
        assert rows == [("before_2020",), ("2021_05",), ("2021_06",), this_month]

    def test_months_are_made_once_by_whoever_comes_first(self, database_url: str) -> None:
        make: LiteralString = "SELECT streams.ensure_sales_activity_months('2022-01-15', '2022-03-01')"
        assert query(database_url, make) == [(3,)]
        assert query(database_url, make) == [(0,)]

    def test_a_months_rows_are_reached_through_the_parent_only(self, database_url: str) -> None:
        query(database_url, "SELECT streams.ensure_sales_activity_months('2022-01-01', '2022-01-01')")
        open_ones = query(
            database_url,
            "SELECT inhrelid::regclass::text FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid"
            " WHERE inhparent = 'agent_sales_activities'::regclass AND NOT c.relrowsecurity",
        )
        assert open_ones == []


def test_squawk_finds_nothing_that_is_not_waived_with_a_reason() -> None:
    files = sorted(map(str, MIGRATIONS.glob("*.sql")))
    root = MIGRATIONS.parents[2]
    command = [str(Path(sys.executable).parent / "squawk"), "--config", str(root / ".squawk.toml"), "--reporter", "gcc"]
    found = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


@pytest.mark.parametrize(
    ("url", "arguments"),
    [
        ("postgresql://a@/db?host=/run/x", {"user": "a", "host": "/run/x"}),
        (
            "postgresql://a:p%40ss@db.example:5433/db",
            {"user": "a", "password": "p@ss", "host": "db.example", "port": "5433"},
        ),
        ("postgres://a@%2Frun%2FX/db?sslmode=require", {"user": "a", "host": "/run/X", "sslmode": "require"}),
    ],
    ids=["socket", "tcp", "socket-as-host"],
)
def test_addresses_are_read_as_libpq_reads_them(url: str, arguments: dict[str, str]) -> None:
    read = migrating._uri(url)
    assert (read.database, read.args) == ("db", arguments)
