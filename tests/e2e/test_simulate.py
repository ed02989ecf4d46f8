"""`eventos simulate` as a process of its own: its options reach the services, and it leaves nothing behind."""

import json
import signal
from pathlib import Path

import pytest

from tests.support.command_line import write_lines
from tests.support.comparing import CONFORMANCE, conformance_set, require_agreement
from tests.support.season import shuffled
from tests.support.whole_processes import gone, running

pytestmark = pytest.mark.timeout(600)


def words(name: str, records: Path, output: Path) -> list[object]:
    core = CONFORMANCE / name / "core.json"
    return ["simulate", "--core", core, "--records", records, "--as-of", "2026-11-01", "--output", output]


def test_its_options_change_how_it_works_and_not_what_comes_out(tmp_path: Path) -> None:
    _, records, expected, _ = conformance_set("mixed")
    file, output = write_lines(tmp_path / "records.jsonl", shuffled(records, 3)), tmp_path / "state.json"
    command_line = [*words("mixed", file, output), "--replicas", 2, "--batch-records", 50]
    with running(tmp_path / "log", *command_line) as command:
        command.wait_until(lambda: len(command.services()) == 12)

        assert command.process.wait(500) == 0, command.written
    require_agreement(expected, json.loads(output.read_bytes()))


def test_a_service_that_dies_ends_it_with_its_log_and_leaves_nothing(tmp_path: Path) -> None:
    records = CONFORMANCE / "mixed" / "records.jsonl"
    with running(tmp_path / "log", *words("mixed", records, tmp_path / "state.json")) as command:
        command.wait_until(lambda: len(command.services()) == 6)
        family = command.family()
        command.services()[0].kill()

        assert command.process.wait(120) == 1
        assert "ended by itself, exit code -9" in command.written
        assert "Traceback" not in command.written
        assert gone(family)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    records = CONFORMANCE / "small" / "records.jsonl"
    with running(tmp_path / "log", *words("small", records, tmp_path / "state.json")) as command:
        command.wait_until(lambda: len(command.services()) == 6)
        family = command.family()

        assert command.end(number) == 130
        assert gone(family)
        assert not (tmp_path / "state.json").exists()
