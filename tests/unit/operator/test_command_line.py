"""What all commands have in common."""

import pytest
from typer import Context
from typer.core import TyperGroup
from typer.main import get_command

from services.operator.cli import app
from tests.support.command_line import NOWHERE, eventos


def _commands(group: TyperGroup, *before: str) -> list[tuple[str, ...]]:
    found, context = [], Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        found += _commands(command, *before, name) if isinstance(command, TyperGroup) else [(*before, name)]
    return found


ROOT = get_command(app)
assert isinstance(ROOT, TyperGroup)
COMMANDS = _commands(ROOT)


def test_the_commands_are_those_that_the_operations_manual_names() -> None:
    assert {" ".join(words) for words in COMMANDS} == {
        "up",
        "run",
        "migrate",
        "topics apply",
        "config",
        "publish",
        "check",
        "simulate",
        "status",
        "receipt",
        "dead-letters list",
        "dead-letters show",
        "dead-letters requeue",
        "dead-letters discard",
        "replay redeliver",
        "resume",
        "sponsors similar",
        "db health",
        "db storage",
        "db retention",
    }


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(words: tuple[str, ...]) -> None:
    result = eventos(*words, "--help")

    assert result.exit_code == 0
    assert "Example" in result.output


def test_a_wrong_word_is_wrong_usage() -> None:
    assert eventos("stauts").exit_code == 2
    assert eventos("status", "--jsno").exit_code == 2


@pytest.mark.parametrize(
    "words",
    [
        ("run", "nobody"),
        ("resume", "nothing", "3"),
        ("dead-letters", "list", "--reason", "bad_luck"),
        ("dead-letters", "list", "--since", "yesterday"),
        ("dead-letters", "requeue"),
        ("dead-letters", "requeue", "3", "--all"),
        ("dead-letters", "discard"),
        ("replay", "redeliver", "ticket_sales"),
        ("replay", "redeliver", "ticket_sales", "--from-beginning", "--from-time", "2h"),
        ("replay", "redeliver", "lead_scoring", "--from-beginning"),
        ("replay", "redeliver", "ticket_sales", "--from-offset", "three"),
    ],
    ids=" ".join,
)
def test_words_that_mean_nothing_are_wrong_usage_and_say_what_is_known(words: tuple[str, ...]) -> None:
    result = eventos(*words)

    assert result.exit_code == 2
    assert "error:" in result.stderr
    assert "Traceback" not in result.stderr


def test_all_faults_of_the_configuration_are_told_at_once() -> None:
    result = eventos(
        "status", environment={**NOWHERE, "EVENTOS_LANES": "many", "EVENTOS_AS_OF": "soon", "EVENTOS_DATABASE_URL": "x"}
    )

    assert result.exit_code == 2
    for name in ("EVENTOS_LANES", "EVENTOS_AS_OF", "EVENTOS_DATABASE_URL"):
        assert name in result.stderr


def test_config_shows_every_setting_even_when_they_are_faulty() -> None:
    result = eventos("config", environment={**NOWHERE, "EVENTOS_LANES": "many"})

    assert result.exit_code == 2
    assert "EVENTOS_BATCH_RECORDS" in result.stdout
    assert "EVENTOS_LANES" in result.stderr


def test_config_masks_secrets_wherever_they_stand() -> None:
    url = "postgresql://me:hunter2@db:5432/eventos?sslmode=require&sslpassword=hunter3"
    result = eventos(
        "config",
        "--json",
        environment={**NOWHERE, "EVENTOS_DATABASE_URL": url, "EVENTOS_KAFKA_SASL_PASSWORD": "hunter4"},
    )

    assert result.exit_code == 0
    assert "hunter" not in result.stdout
    assert "postgresql://me:********@db:5432/eventos?sslmode=require&sslpassword=********" in result.stdout


@pytest.mark.parametrize(
    "url", ["mysql://me:hunter2@db/x", "postgresql://me:a/hunter2@db/x", "postgresql://me:a@hunter2@db/x"]
)
@pytest.mark.parametrize("command", ["config", "status", "migrate", "run lead_scoring"])
def test_secrets_of_settings_that_are_faulty_are_masked(command: str, url: str) -> None:
    result = eventos(*command.split(), environment={**NOWHERE, "EVENTOS_DATABASE_URL": url})

    assert result.exit_code == 2
    assert "EVENTOS_DATABASE_URL" in result.stderr
    assert "hunter" not in result.output


def test_an_unforeseen_error_is_one_message_and_with_debug_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down() -> None:
        raise ZeroDivisionError("by nought")

    monkeypatch.setattr("services.operator.configuration.load_settings", break_down)

    plain, debugged = eventos("config"), eventos("config", "--debug")

    assert (plain.exit_code, debugged.exit_code) == (1, 1)
    assert "ZeroDivisionError: by nought" in plain.stderr
    assert "Traceback" not in plain.stderr
    assert "Traceback" in debugged.stderr
