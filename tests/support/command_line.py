"""The command line as a person uses it: arguments and environment in; exit code, data and words out."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson
from typer.testing import CliRunner, Result

from services.operator.cli import app
from services.runtime.settings import Settings

NOWHERE = {
    "EVENTOS_KAFKA_BOOTSTRAP_SERVERS": "nowhere.invalid:9092",
    "EVENTOS_DATABASE_URL": "postgresql://nowhere.invalid/x",
}
"""Valid settings of servers that there are not."""


def eventos(*words: object, environment: Mapping[str, str] | None = None) -> Result:
    """Run one command; `environment` is what is set besides, NOWHERE if not given."""
    return CliRunner().invoke(
        app, [str(word) for word in words], env=dict(NOWHERE if environment is None else environment)
    )


def data(result: Result) -> Any:
    """What a command printed with --json; it must have succeeded."""
    assert result.exit_code == 0, result.output
    return orjson.loads(result.stdout)


def environment_of(settings: Settings) -> dict[str, str]:
    """The settings of a test as a command finds them."""
    return {
        "EVENTOS_KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "EVENTOS_DATABASE_URL": settings.database_url.get_secret_value(),
        "EVENTOS_TOPIC_PREFIX": settings.topic_prefix,
    }


def write_lines(path: Path, lines: Iterable[Any]) -> Path:
    """Write a JSONL file; bytes and text go in as they are."""
    with path.open("wb") as file:
        for line in lines:
            raw = line.encode() if isinstance(line, str) else line
            file.write((raw if isinstance(raw, bytes) else orjson.dumps(raw)) + b"\n")
    return path
