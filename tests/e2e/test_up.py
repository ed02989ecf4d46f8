"""`eventos up`: everything on one machine, from nothing, with a demonstration."""

import signal
from pathlib import Path

import pytest

from tests.support.whole_processes import Command, gone, running

pytestmark = pytest.mark.timeout(600)


def consumes(command: Command) -> bool:
    """Whether its last line tells of records that were consumed."""
    return any("consumed" in line and "consumed 0 " not in line for line in command.written.splitlines())


def test_it_starts_shows_what_happens_and_stops_all_that_it_started(tmp_path: Path) -> None:
    environment = {"EVENTOS_DATA_DIR": str(tmp_path / "data")}
    with running(tmp_path / "up.log", "up", "--demo", environment=environment) as command:
        command.wait_until(lambda: consumes(command))
        family = command.family()
        with running(tmp_path / "status.log", "status", environment=environment) as status:
            assert status.process.wait(60) == 0, status.written
            assert "ticket_sales" in status.written
            assert "using the local stack" in status.written

        assert command.end(signal.SIGTERM) == 0
        assert len(family) >= 8
        assert gone(family)


def test_killed_it_leaves_nothing_that_blocks_the_next_start_which_finds_its_data(tmp_path: Path) -> None:
    environment = {"EVENTOS_DATA_DIR": str(tmp_path / "data")}
    with running(tmp_path / "first.log", "up", "--demo", environment=environment) as first:
        first.wait_until(lambda: consumes(first))
        family = first.family()
        first.end(signal.SIGKILL)
        assert gone(family)
    with running(tmp_path / "second.log", "up", environment=environment) as second:
        second.wait_until(lambda: consumes(second))
        assert "migrated" not in second.written
        assert second.end(signal.SIGINT) == 0


def test_a_service_that_dies_is_started_again(tmp_path: Path) -> None:
    environment = {"EVENTOS_DATA_DIR": str(tmp_path / "data")}
    with running(tmp_path / "up.log", "up", environment=environment) as command:
        command.wait_until(lambda: len(command.services()) == 6)
        victim = command.services()[0]
        victim.kill()
        command.wait_until(lambda: "ended with exit code -9 and is started again" in command.written)
        command.wait_until(lambda: len(command.services()) == 6 and victim not in command.services())
        assert command.end(signal.SIGINT) == 0
