"""Behind TLS and passwords all is as ever; who is not let in says so; nothing secret or personal is in any output."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from infra.postgres.migrate import migrate
from services.operator.topics import apply_topics
from services.runtime.settings import Settings
from tests.support.command_line import eventos, write_lines
from tests.support.comparing import require_agreement
from tests.support.planted import MARK, Line, Planter
from tests.support.running import Running, address, environment, running
from tests.support.season import AS_OF, season
from tests.support.secured import DATABASE_PASSWORD, KAFKA_PASSWORD, Secured, secured_servers
from tests.support.truth import expected_state
from tests.support.whole_processes import Command
from tests.support.whole_processes import running as command_running

pytestmark = pytest.mark.timeout(600)

PASSWORDS = ("planted/kafka", "planted/postgres", "p@ss w0rd", "p%40ss", "planted%2F")
CHOKE = """
CREATE FUNCTION public.choke() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'I do not like %', NEW.metadata USING ERRCODE = 'data_exception', DETAIL = NEW.metadata::text;
END $$;
CREATE TRIGGER choke BEFORE INSERT ON public.sponsor_activities
    FOR EACH ROW WHEN (NEW.metadata ? 'choke') EXECUTE FUNCTION public.choke();
"""


@pytest.fixture(scope="module")
def secured() -> Iterator[Secured]:
    """Both servers, with all tables and topics."""
    with secured_servers() as servers:
        migrate(servers.database_url())

        async def declare() -> None:
            await apply_topics(servers.settings())

        asyncio.run(declare())
        yield servers


def test_the_password_of_a_test_is_one_that_is_looked_for() -> None:
    assert all(any(part in password for part in PASSWORDS) for password in (KAFKA_PASSWORD, DATABASE_PASSWORD))


def test_all_services_drain_a_season_over_tls_and_tell_nothing_that_is_secret_or_personal(
    secured: Secured, tmp_path: Path
) -> None:
    made, settings = season(2026, 300), secured.settings().model_copy(update={"as_of": AS_OF, "log_level": "DEBUG"})
    planter = Planter(made.core)
    planted = [*planter.valid(), *planter.refused()]
    records = [*made.records, *planted]

    state, pages = asyncio.run(_drain(settings, tmp_path / "logs", made.core, records, planter.choking()))

    require_agreement(expected_state(made.core, records, AS_OF), state)
    logs = {path.name: path.read_text("utf-8") for path in (tmp_path / "logs").iterdir()}
    assert "handler_error" in logs["sponsor_activity-1.log"], "the database did not choke"
    told = {**logs, **pages, **_commands(settings, planted, tmp_path)}
    assert len(told) > 15
    assert [name for name, text in told.items() if MARK in text] == []
    assert [name for name, text in told.items() if any(password in text for password in PASSWORDS)] == []


async def _drain(
    settings: Settings, logs: Path, core: dict[str, Any], records: list[Line], choking: Line
) -> tuple[dict[str, Any], dict[str, str]]:
    """Settle all records, then one on which the database chokes; return the state between, and what can be seen."""
    async with running(settings, logs, core, waiting=records) as services:
        await services.settle()
        state = await services.state()
        await services.require_balance()
        await _require_planted_as_data(services)
        async with services.pool.acquire() as connection:
            await connection.execute("SET ROLE NONE")
            await connection.execute(CHOKE)
        await services.publish([choking])
        await services.settle()
        return state, await _pages(services)


async def _require_planted_as_data(services: Running) -> None:
    """What was planted is in the columns that are for it, whole."""
    async with services.pool.acquire() as connection:
        for table, column in (
            ("public.sponsor_activities", "metadata"),
            ("public.sponsorships", "package_level"),
            ("streams_g1.email_events", "recipient_hash"),
            ("streams_g1.email_events", "url"),
            ("public.agent_sales_activities", "message_id"),
            ("streams_g1.ticket_events", "ticket_type"),
            ("streams_g1.ticket_events", "channel"),
            ("streams_g1.processed_events", "id"),
            ("streams.dead_letters", "source"),
        ):
            found = f"SELECT count(DISTINCT {column}) FROM {table} WHERE strpos({column}::text, $1) > 0"  # noqa: S608
            assert await connection.fetchval(found, MARK) >= 16, (table, column)


async def _pages(services: Running) -> dict[str, str]:
    """All pages of all processes, and their command lines."""
    pages = {}
    async with aiohttp.ClientSession() as client:
        for child in services.fleet.children:
            assert child.process is not None
            pages[f"{child.name} command line"] = " ".join(psutil.Process(child.process.pid).cmdline())
            for page in ("metrics", "livez", "readyz"):
                async with client.get(f"{address(child)}/{page}") as response:
                    pages[f"{child.name} {page}"] = await response.text()
    return pages


def _commands(settings: Settings, planted: list[Line], folder: Path) -> dict[str, str]:
    """What commands print that are not there to show a record."""
    file, given = write_lines(folder / "planted.jsonl", planted), environment(settings)
    told = {}
    for words in (
        "config", "config --json", "status", "status --json", "dead-letters list --status all --limit 1000",
        "db health", "migrate --dry-run", "topics apply --dry-run", f"check {file}", f"check --json {file}",
        "receipt /no such",
    ):  # fmt: skip
        result = eventos(*words.split(), environment=given)
        assert not isinstance(result.exception, Exception) or result.exit_code in (0, 1), words
        told[words] = result.output
    assert "not_json" in told["dead-letters list --status all --limit 1000"]
    sent = next(json.loads(line["value"]) for line in planted if "email.sent" in line["value"])
    # Of a file of one's own it names each event, so that one finds it.
    told[f"check --json {file}"] = re.sub(f"{MARK} (source|id) [0-9]+", "", told[f"check --json {file}"])
    receipt = eventos("receipt", sent["source"], sent["id"], "--json", environment=given)
    assert json.loads(receipt.stdout)["outcome"] == "applied"
    assert "recipient_hash" not in receipt.output
    return told


REFUSED: dict[str, tuple[dict[str, str], str, tuple[str, ...]]] = {
    "a wrong password of Kafka": (
        {"kafka_sasl_password": "guess"},
        "EVENTOS_KAFKA_SASL",
        ("ticket_sales", "outbox_relay"),
    ),
    "a mechanism that Kafka does not have": (
        {"kafka_sasl_mechanism": "SCRAM-SHA-256"},
        "EVENTOS_KAFKA_SASL",
        ("outbox_relay",),
    ),
    "a Kafka that is not trusted": ({"kafka_ca_file": "stranger"}, "EVENTOS_KAFKA_CA_FILE", ("sponsor_activity",)),
    "a wrong password of Postgres": ({"database_url": "guess"}, "password authentication failed", ("lead_scoring",)),
    "a Postgres that is not trusted": (
        {"database_url": "stranger"},
        "certificate verify failed",
        ("event_dashboards",),
    ),
    "a Postgres that wants TLS": ({"database_url": "disable"}, "no encryption", ("email_engagement",)),
}


def _changed(secured: Secured, case: str) -> Settings:
    stranger, change = str(secured.certificates.stranger), REFUSED[case][0]
    urls = {
        "guess": secured.database_url(password="guess"),
        "stranger": secured.database_url(authority=secured.certificates.stranger),
        "disable": secured.database_url(mode="disable"),
    }
    ((name, value),) = change.items()
    if name == "database_url":
        return secured.settings(urls[value])
    return secured.settings(**{name: stranger if value == "stranger" else value})


@pytest.mark.parametrize("case", REFUSED)
def test_a_service_that_is_not_let_in_ends_at_its_start_and_says_why(
    secured: Secured, case: str, tmp_path: Path
) -> None:
    given = environment(_changed(secured, case))
    for service in REFUSED[case][2]:
        with command_running(tmp_path / f"{service}.log", "run", service, environment=given) as command:
            assert command.process.wait(60) in (1, 2), command.written
            _require_clear(command, case)


@pytest.mark.parametrize("case", REFUSED)
def test_a_command_that_is_not_let_in_says_why(secured: Secured, case: str) -> None:
    result = eventos("status", environment=environment(_changed(secured, case)))

    assert result.exit_code in (1, 2), result.output
    assert REFUSED[case][1] in " ".join(result.stderr.split())
    assert not any(password in result.output for password in (*PASSWORDS, "guess"))


def _require_clear(command: Command, case: str) -> None:
    assert REFUSED[case][1] in " ".join(command.written.split()), command.written
    assert not any(password in command.written for password in (*PASSWORDS, "guess"))
