"""Organisers meet only what is theirs; services and the platform's back end do their work with row security on.

EXPECTED is written from the design. Who may touch which column is in test_grants.py.
"""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from tests.support.organisers import REFERENCES, TABLES, Ids, acting, add_event, add_organiser, insert, row

# select, insert, update, delete; of or about one organiser's row:
#   x done   . nothing is there for them   - refused
# by that organiser, another one, anon, service_role,
# and by sponsor_activity, email_engagement, ticket_sales, lead_scoring, event_dashboards, outbox_relay, operator.
EXPECTED = """
                             owner other anon  back  spons email ticke leads dashb relay opera
sponsors                     xxx-  .-.-  ----  xxxx  x---  x---  x---  x-x-  ----  ----  x---
sponsor_activities           x---  .---  ----  x---  xx--  ----  ----  ----  ----  ----  x---
sponsor_proposals            xxx-  .-.-  ----  xxxx  x-x-  ----  ----  x---  ----  ----  x---
sponsor_lead_scores          x-x-  .-.-  ----  x---  ----  ----  ----  xxxx  ----  ----  x---
follow_up_sequences          xxx-  .-.-  ----  xxxx  ----  x-x-  ----  ----  ----  ----  x---
sponsorships                 x-x-  .-.-  ----  xxxx  xx--  ----  ----  ----  ----  ----  x---
sponsor_deliverables         x---  .---  ----  xxxx  ----  ----  ----  ----  ----  ----  x---
automation_workflows         xxx-  .-.-  ----  xxxx  ----  ----  ----  ----  ----  ----  x---
workflow_execution_logs      x-x-  .-.-  ----  x---  ----  ----  ----  ----  ----  ----  x---
automation_triggers          xxxx  .-..  ----  xxxx  ----  ----  ----  ----  ----  ----  x---
agent_sales_activities       x-x-  .-.-  ----  x---  ----  xxxx  ----  ----  ----  ----  x---
agent_marketing_activities   x-x-  .-.-  ----  x---  ----  ----  ----  ----  ----  ----  x---
agent_operations_activities  x-x-  .-.-  ----  x---  ----  ----  ----  ----  ----  ----  x---
agent_support_activities     x-x-  .-.-  ----  x---  ----  ----  ----  ----  ----  ----  x---
agent_analytics_activities   x-x-  .-.-  ----  x---  ----  ----  ----  ----  ----  ----  x---
agent_memory                 x--x  .--.  ----  x--x  ----  ----  ----  ----  ----  ----  x---
marketing_campaigns          xxx-  .-.-  ----  xxxx  ----  x-x-  ----  ----  ----  ----  x---
email_templates              xxx-  .-.-  ----  xxxx  ----  x-x-  ----  ----  ----  ----  x---
whatsapp_campaigns           xxx-  .-.-  ----  xxxx  ----  ----  ----  ----  ----  ----  x---
event_dashboards             x---  .---  ----  x---  ----  ----  ----  ----  xxxx  ----  x---
dashboard_metrics_snapshots  x---  .---  ----  x---  ----  ----  ----  ----  xx--  ----  x---
""".splitlines()[2:]
VERBS = ("select", "insert", "update", "delete")
SERVICES = (
    *("eventos_sponsor_activity", "eventos_email_engagement", "eventos_ticket_sales", "eventos_lead_scoring"),
    *("eventos_event_dashboards", "eventos_outbox_relay", "eventos_operator"),
)
POLICIES = {
    **{"sponsors": 3, "sponsor_proposals": 3, "sponsor_lead_scores": 2, "follow_up_sequences": 3},
    **{"sponsor_activities": 1, "sponsorships": 2, "sponsor_deliverables": 1},
    **{"automation_workflows": 3, "workflow_execution_logs": 2, "automation_triggers": 4},
    **{"agent_sales_activities": 2, "agent_marketing_activities": 2, "agent_operations_activities": 2},
    **{"agent_support_activities": 2, "agent_analytics_activities": 2, "agent_memory": 2},
    **{"marketing_campaigns": 3, "email_templates": 3, "whatsapp_campaigns": 3},
    **{"event_dashboards": 3, "dashboard_metrics_snapshots": 3},
}
MOVES = [
    ("sponsors", "created_by"),
    ("sponsor_proposals", "event_id"),
    ("sponsor_proposals", "sponsor_id"),
    ("follow_up_sequences", "sponsor_id"),
    ("follow_up_sequences", "proposal_id"),
    ("automation_workflows", "event_id"),
    ("automation_triggers", "workflow_id"),
    ("marketing_campaigns", "event_id"),
    ("email_templates", "event_id"),
    ("email_templates", "campaign_id"),
    ("whatsapp_campaigns", "event_id"),
    ("whatsapp_campaigns", "campaign_id"),
]
_NOWHERE = "2fd6f1a1-0f54-4ad9-9f0c-4d0e1f6d3c11"


@pytest.fixture(scope="module")
def database(shared_database_url: str) -> Iterator[psycopg.Connection]:
    """A database of this file's, as its owner."""
    with psycopg.connect(shared_database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def mine(database: psycopg.Connection) -> Ids:
    return add_organiser(database)


@pytest.fixture(scope="module")
def others(database: psycopg.Connection) -> Ids:
    return add_organiser(database)


class TestEachVerb:
    @pytest.mark.parametrize("line", EXPECTED, ids=lambda line: line.split()[0])
    def test_each_may_do_with_an_organisers_row_what_the_design_says(
        self, database: psycopg.Connection, mine: Ids, others: Ids, line: str
    ) -> None:
        table, *expected = line.split()
        about = mine | {"events": add_event(database, mine)}  # of scores and dashboards there is one per event
        by_hand, whole = as_client(database, table, about), row(table, about)
        asking = [("authenticated", mine["auth.users"], by_hand), ("authenticated", others["auth.users"], by_hand)]
        found = list[str]()
        for role, user, values in [*asking, *((role, None, whole) for role in ("anon", "service_role", *SERVICES))]:
            with acting(database, role, user):
                found.append("".join(answer(database, verb, table, values, mine[table]) for verb in VERBS))
        assert found == expected

    def test_all_tables_are_in_it(self) -> None:
        assert sorted(line.split()[0] for line in EXPECTED) == sorted(TABLES)
        assert len(TABLES) == 21

    @pytest.mark.parametrize("claims", ["", "{}", f'{{"sub": "{_NOWHERE}"}}'], ids=["none", "empty", "of nobody"])
    def test_without_claims_that_name_an_organiser_nothing_is_there(
        self, database: psycopg.Connection, mine: Ids, claims: str
    ) -> None:
        with acting(database, "authenticated"):
            database.execute("SELECT set_config('request.jwt.claims', %s, true)", [claims])
            assert counts(database) == dict.fromkeys(TABLES, 0)


class TestMoving:
    """A row is made or moved only to what is one's own; anything else might as well not exist."""

    @pytest.mark.parametrize(("table", "column"), MOVES, ids=".".join)
    def test_to_anothers_is_refused_like_to_one_that_does_not_exist(
        self, database: psycopg.Connection, mine: Ids, others: Ids, table: str, column: str
    ) -> None:
        parent = REFERENCES[column]
        update = sql.SQL("UPDATE {} SET {} = %s WHERE id = %s").format(sql.Identifier(table), sql.Identifier(column))
        for verb in ("insert", "update"):
            refusals = list[str]()
            for target in (others[parent], _NOWHERE):
                values = as_client(database, table, mine) | {column: target}
                with (
                    acting(database, "authenticated", mine["auth.users"]),
                    pytest.raises(psycopg.errors.InsufficientPrivilege) as refusal,
                ):
                    if verb == "insert":
                        insert(database, table, values)
                    else:
                        database.execute(update, [target, mine[table]])
                refusals.append(str(refusal.value))
            assert len(set(refusals)) == 1

    @pytest.mark.parametrize(("table", "column"), [move for move in MOVES if move[1] == "event_id"], ids=".".join)
    def test_between_own_events_is_done(self, database: psycopg.Connection, mine: Ids, table: str, column: str) -> None:
        event = add_event(database, mine)
        update = sql.SQL("UPDATE {} SET event_id = %s WHERE id = %s").format(sql.Identifier(table))
        with acting(database, "authenticated", mine["auth.users"]):
            assert database.execute(update, [event, mine[table]]).rowcount == 1

    def test_a_template_must_be_of_an_event_or_a_campaign(self, database: psycopg.Connection, mine: Ids) -> None:
        values = as_client(database, "email_templates", mine) | {"event_id": None, "campaign_id": None}
        with (
            acting(database, "authenticated", mine["auth.users"]),
            pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"),
        ):
            insert(database, "email_templates", values)

    def test_what_an_organiser_makes_is_theirs_without_saying_so(self, database: psycopg.Connection, mine: Ids) -> None:
        with acting(database, "authenticated", mine["auth.users"]):
            made = "INSERT INTO sponsors (company_name, industry) VALUES ('New', 'food') RETURNING created_by::text"
            assert database.execute(made).fetchone() == (mine["auth.users"],)

    def test_an_event_that_changes_hands_takes_everything_along(
        self, database: psycopg.Connection, mine: Ids, others: Ids
    ) -> None:
        by_sponsor = {"sponsors", "follow_up_sequences"}
        with database.transaction(force_rollback=True):
            database.execute(
                "UPDATE events SET organizer_id = %s WHERE id = %s", [others["auth.users"], mine["events"]]
            )
            for ids, expected in ((mine, 0), (others, 2)):
                with acting(database, "authenticated", ids["auth.users"]):
                    assert counts(database) == {table: 1 if table in by_sponsor else expected for table in TABLES}


class TestWhatDoesNotShow:
    """Others' rows are not there: not to joins, not to errors, not under chosen ids, not in partitions."""

    def test_one_counts_and_joins_ones_own_only(self, database: psycopg.Connection, mine: Ids, others: Ids) -> None:
        joined = """
            SELECT count(*), count(s.id) FROM sponsor_proposals p
            FULL JOIN sponsors s ON s.id = p.sponsor_id
            FULL JOIN sponsor_lead_scores l ON (l.sponsor_id, l.event_id) = (p.sponsor_id, p.event_id)
            FULL JOIN sponsor_activities a ON a.sponsor_id = s.id
            FULL JOIN agent_sales_activities g ON g.proposal_id = p.id
            WHERE %(other)s IN (s.id, p.sponsor_id, l.sponsor_id, a.sponsor_id, g.sponsor_id)
        """
        with acting(database, "authenticated", mine["auth.users"]):
            assert counts(database) == dict.fromkeys(TABLES, 1)
            assert database.execute(joined, {"other": others["sponsors"]}).fetchone() == (0, 0)
            assert database.execute(joined, {"other": mine["sponsors"]}).fetchone() == (1, 1)

    def test_ones_own_event_with_anothers_sponsor_shows_the_deal_and_not_the_sponsor(
        self, database: psycopg.Connection, mine: Ids, others: Ids
    ) -> None:
        with database.transaction(force_rollback=True):
            insert(database, "sponsor_proposals", row("sponsor_proposals", mine | {"sponsors": others["sponsors"]}))
            both = (
                "SELECT count(p.id), count(s.id) FROM sponsor_proposals p LEFT JOIN sponsors s ON s.id = p.sponsor_id"
            )
            with acting(database, "authenticated", mine["auth.users"]):
                assert database.execute(both).fetchone() == (2, 1)
                changed = database.execute("UPDATE sponsor_proposals SET status = 'sent'").rowcount
                assert changed == 1  # what binds another's sponsor is not one's own to change
            with acting(database, "authenticated", others["auth.users"]):
                assert database.execute(both).fetchone() == (1, 1)

    def test_a_condition_that_fails_on_anothers_row_does_not_fail(
        self, database: psycopg.Connection, mine: Ids, others: Ids
    ) -> None:
        for table in TABLES:
            probe = sql.SQL("SELECT count(*) FROM {} WHERE 1 / (id <> %s)::int = 1").format(sql.Identifier(table))
            with acting(database, "authenticated", mine["auth.users"]):
                assert database.execute(probe, [others[table]]).fetchone() == (1,), table

    @pytest.mark.parametrize("table", [line.split()[0] for line in EXPECTED if line.split()[1][1] == "x"])
    def test_ids_cannot_be_chosen_and_so_not_be_tried(
        self, database: psycopg.Connection, mine: Ids, others: Ids, table: str
    ) -> None:
        for id_ in (others[table], _NOWHERE):
            with (
                acting(database, "authenticated", mine["auth.users"]),
                pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied"),
            ):
                insert(database, table, as_client(database, table, mine) | {"id": id_})

    def test_a_score_and_a_contract_of_ones_own_are_not_ones_own_to_write(
        self, database: psycopg.Connection, mine: Ids
    ) -> None:
        for statement in (
            "UPDATE sponsor_lead_scores SET score = 100",
            "UPDATE sponsorships SET amount = 1",
            "UPDATE sponsors SET engagement_score = 100",
            "UPDATE marketing_campaigns SET emails_sent = 0",
            "UPDATE follow_up_sequences SET owner_status = 'active'",
            "UPDATE agent_sales_activities SET required_human_review = false",
        ):
            with (
                acting(database, "authenticated", mine["auth.users"]),
                pytest.raises(psycopg.errors.InsufficientPrivilege),
            ):
                database.execute(statement.encode())

    def test_what_is_of_no_event_is_its_sponsors_owners(
        self, database: psycopg.Connection, mine: Ids, others: Ids
    ) -> None:
        with database.transaction(force_rollback=True):
            for table in ("sponsor_activities", "agent_sales_activities", "agent_memory"):
                insert(database, table, row(table, mine) | {"event_id": None})
            insert(database, "email_templates", row("email_templates", mine) | {"event_id": None})
            for ids, expected in ((mine, 2), (others, 1)):
                with acting(database, "authenticated", ids["auth.users"]):
                    found = counts(database)
                assert {found[t] for t in ("sponsor_activities", "agent_sales_activities", "agent_memory")} == {
                    expected
                }
                assert found["email_templates"] == expected

    def test_general_knowledge_and_the_platforms_templates_are_nobodys(
        self, database: psycopg.Connection, mine: Ids
    ) -> None:
        with database.transaction(force_rollback=True):
            nobodys = {"event_id": None, "sponsor_id": None}
            insert(database, "agent_memory", row("agent_memory", mine) | nobodys)
            insert(database, "email_templates", row("email_templates", mine) | {"event_id": None, "campaign_id": None})
            with acting(database, "authenticated", mine["auth.users"]):
                assert counts(database) == dict.fromkeys(TABLES, 1)

    @pytest.mark.parametrize("role", ["authenticated", "anon", "service_role", "eventos_email_engagement"])
    def test_months_are_not_reached_past_their_parent(self, database: psycopg.Connection, mine: Ids, role: str) -> None:
        database.execute("SELECT streams.ensure_sales_activity_months('2026-01-01', '2026-01-31')")
        month = "agent_sales_activities_2026_01"
        for verb in VERBS:
            with acting(database, role, mine["auth.users"]):
                about = row("agent_sales_activities", mine)
                assert answer(database, verb, month, about, mine["agent_sales_activities"]) == "-"

    @pytest.mark.parametrize("role", ["authenticated", "anon", "service_role"])
    def test_nothing_is_left_that_row_security_does_not_reach(self, database: psycopg.Connection, role: str) -> None:
        found = database.execute(
            "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace"
            " AND c.relkind IN ('r', 'p') AND c.relname <> 'events'"
            " AND has_table_privilege(%s, c.oid, 'TRUNCATE, REFERENCES, TRIGGER')",
            [role],
        ).fetchall()
        assert found == []


class TestWhatIsDeclared:
    def test_every_table_is_secured_with_as_many_policies_as_the_seed_counts(
        self, database: psycopg.Connection
    ) -> None:
        found = database.execute("SELECT tablename::text, count(*) FROM pg_policies GROUP BY 1").fetchall()
        assert dict(found) == POLICIES
        assert (len(POLICIES), sum(POLICIES.values())) == (21, 51)
        unsecured = database.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'p') AND relname <> 'events' AND NOT relrowsecurity"
        ).fetchall()
        assert unsecured == []

    def test_every_policy_has_a_verb_a_check_of_what_is_written_and_a_word_on_why(
        self, database: psycopg.Connection
    ) -> None:
        odd = database.execute(
            "SELECT polrelid::regclass::text, polname::text FROM pg_policy WHERE polcmd = '*' OR polroles = '{0}'"
            " OR (polcmd IN ('a', 'w')) <> (polwithcheck IS NOT NULL) OR obj_description(oid, 'pg_policy') IS NULL"
        ).fetchall()
        assert odd == []

    def test_nobody_is_looked_up_once_per_row(self, database: psycopg.Connection) -> None:
        """Whoever asks, and what is theirs, stands in a sub-select, which is run once per statement."""
        odd = database.execute(
            r"SELECT tablename::text, policyname::text FROM pg_policies, concat_ws(' ', qual, with_check) AS condition"
            r" WHERE regexp_replace(condition, 'SELECT (auth\.uid|streams\.own_\w+)\(\)', '', 'g')"
            r" ~ '(auth\.uid|streams\.own_\w+)\('"
        ).fetchall()
        assert odd == []

    @pytest.mark.parametrize("table", ["event_dashboards", "dashboard_metrics_snapshots"])
    def test_figures_are_not_written_by_clients_whatever_is_granted_later(
        self, database: psycopg.Connection, mine: Ids, table: str
    ) -> None:
        name = sql.Identifier(table)
        with database.transaction(force_rollback=True):
            database.execute(sql.SQL("GRANT ALL ON {} TO authenticated").format(name))
            database.execute(sql.SQL("CREATE POLICY later ON {} TO authenticated USING (true)").format(name))
            about = row(table, mine | {"events": add_event(database, mine)})
            with acting(database, "authenticated", mine["auth.users"]):
                assert answer(database, "insert", table, about, mine[table]) == "-"
                assert answer(database, "update", table, about, mine[table]) == "."


def as_client(database: psycopg.Connection, table: str, ids: Ids) -> dict[str, object]:
    """A new row about an organiser's things, of the columns that clients may give; whole where they may give none."""
    values = row(table, ids)
    allowed = {
        column: value
        for column, value in values.items()
        if database.execute(
            "SELECT has_column_privilege('authenticated', %s, %s, 'INSERT')", [f"public.{table}", column]
        ).fetchone()
        == (True,)
    }
    return allowed or values


def answer(database: psycopg.Connection, verb: str, table: str, values: dict[str, object], id_: str) -> str:
    """What comes of it for the row with an id, or for a new one: x done, . nothing is there, - refused."""
    name = sql.Identifier(table)
    columns = database.execute(
        "SELECT attname::text FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
        [f"public.{table}"],
    ).fetchall()
    update = sql.SQL("UPDATE {0} SET {1} = {1} WHERE id = {2}")
    statements = {
        "select": [sql.SQL("SELECT id FROM {} WHERE id = {}").format(name, id_)],
        "insert": [
            sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                name,
                sql.SQL(", ").join(map(sql.Identifier, values)),
                sql.SQL(", ").join(map(sql.Literal, values.values())),
            )
        ],
        "update": [update.format(name, sql.Identifier(column), id_) for (column,) in columns],  # of any one
        "delete": [sql.SQL("DELETE FROM {} WHERE id = {}").format(name, id_)],
    }
    for statement in statements[verb]:
        try:
            with database.transaction(force_rollback=True):
                return "x" if database.execute(statement).rowcount else "."
        except psycopg.errors.RestrictViolation:
            return "x"  # may, were there not a contract
        except psycopg.errors.InsufficientPrivilege:
            continue
    return "-"


def counts(database: psycopg.Connection) -> dict[str, int]:
    """How many rows of each table are there for whoever asks."""
    each = [sql.SQL("SELECT {}, count(*) FROM {}").format(table, sql.Identifier(table)) for table in TABLES]
    return dict(database.execute(sql.SQL(" UNION ALL ").join(each)).fetchall())
