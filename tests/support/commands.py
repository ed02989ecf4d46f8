"""The `eventos` command on a test's own database, run in this process."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from typer.testing import CliRunner

from services.operator.cli import app


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended, and what it said: data on stdout, words on stderr."""

    code: int
    stdout: str
    stderr: str

    @property
    def data(self) -> Any:
        """What it printed with --json."""
        return json.loads(self.stdout)


def eventos(database_url: str, *words: str) -> Outcome:
    """Run `eventos WORDS…` with nothing but a database."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVENTOS_DATABASE_URL", database_url)
        patch.setenv("EVENTOS_KAFKA_BOOTSTRAP_SERVERS", "unused:9092")
        result = CliRunner().invoke(app, list(words))
    return Outcome(result.exit_code, result.stdout, result.stderr)
