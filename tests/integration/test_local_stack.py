import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest

from infra.local import kafka, servers
from infra.local.servers import ServerError
from infra.local.stack import JARS, Addresses, local_stack, running_addresses

LAUNCHER = """
import pathlib, signal, sys
from infra.local.stack import local_stack
with local_stack(pathlib.Path(sys.argv[1]), kafka_port=0):
    print("up", flush=True)
    signal.pause()
"""
NO_KAFKA = "not wanted"


@contextmanager
def launched(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A launcher in a process of its own, whose stack is up."""
    command = [sys.executable, "-c", LAUNCHER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout is not None
        assert launcher.stdout.readline() == "up\n"
        try:
            yield launcher
        finally:
            launcher.kill()


def processes_of(folder: Path) -> list[psutil.Process]:
    """Servers whose command line names `folder`."""
    running = psutil.process_iter(["cmdline"])
    return [process for process in running if str(folder) in " ".join((process.info["cmdline"] or [])[:3])]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ties a child to its parent on Linux only")
def test_servers_end_with_a_launcher_that_is_killed_and_the_next_start_finds_the_data(tmp_path: Path) -> None:
    with launched(tmp_path) as launcher:
        addresses = running_addresses(tmp_path)
        assert addresses is not None
        with psycopg.connect(addresses.database_url) as connection:
            connection.execute("CREATE TABLE kept (n int)")
        orphans = processes_of(tmp_path)
        assert {"java", "postgres"} <= {process.name() for process in orphans}
        launcher.send_signal(signal.SIGKILL)
    with local_stack(tmp_path, kafka_port=0) as stack:
        assert not any(process.is_running() for process in orphans)
        with psycopg.connect(stack.addresses.database_url) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
        assert stack.fault() is None
    assert not processes_of(tmp_path)


def test_a_server_that_outlived_its_launcher_is_stopped_and_its_like_is_not() -> None:
    ours, other = (subprocess.Popen(["sleep", seconds, "0.123"]) for seconds in ("86401", "86402"))
    try:
        assert servers.stop_orphans("sleep", ["86401"], signal.SIGTERM) == 1
        assert ours.poll() is not None
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_folder_has_one_stack_at_a_time_and_others_learn_its_addresses(tmp_path: Path) -> None:
    assert running_addresses(tmp_path) is None
    with local_stack(tmp_path, kafka_bootstrap_servers=NO_KAFKA) as stack:
        assert running_addresses(tmp_path) == stack.addresses
        with pytest.raises(ServerError, match="in use"), local_stack(tmp_path):
            pass
    assert running_addresses(tmp_path) is None


def test_a_server_that_ends_by_itself_is_told_with_its_last_words(tmp_path: Path) -> None:
    with local_stack(tmp_path, kafka_bootstrap_servers=NO_KAFKA) as stack:
        (postgres,) = stack.servers
        os.kill(postgres.process.pid, signal.SIGKILL)
        postgres.process.wait()
        assert "Postgres ended (SIGKILL)" in (stack.fault() or "")


def test_a_server_that_cannot_start_is_an_error_that_says_why(tmp_path: Path) -> None:
    settings = {"shared_buffers": "a lot"}
    with (
        pytest.raises(ServerError, match="shared_buffers"),
        local_stack(tmp_path, kafka_bootstrap_servers=NO_KAFKA, postgres_settings=settings),
    ):
        pass


def test_programs_find_each_other_where_only_their_starter_may_enter(tmp_path: Path) -> None:
    """As root, Postgres runs as somebody else; initdb asks by access(2) whether there is a postgres beside it."""
    tmp_path.chmod(0o700)
    program = tmp_path / "postgres"
    program.touch(0o700)
    asks = f"import os, sys; sys.exit(not os.access({str(program)!r}, os.R_OK | os.X_OK))"
    servers.run("initdb", [sys.executable, "-c", asks], tmp_path / "log", unprivileged=True)


def test_a_path_too_long_for_a_socket_is_no_obstacle(tmp_path: Path) -> None:
    with local_stack(tmp_path / ("long" * 30), kafka_bootstrap_servers=NO_KAFKA) as stack:
        (postgres,) = stack.servers
        with psycopg.connect(stack.addresses.database_url) as connection:
            sockets = connection.execute("SHOW unix_socket_directories").fetchone()
    assert postgres.ended()
    assert sockets is not None
    assert not Path(sockets[0]).exists()


def test_a_port_that_is_taken_is_an_error_at_once(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((kafka.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        began = time.monotonic()
        with pytest.raises(ServerError, match=f"Port {port} is taken"):
            kafka.start(tmp_path, JARS, port=port)
    assert time.monotonic() - began < 5


def test_missing_jars_are_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="make setup"):
        kafka.start(tmp_path, tmp_path)


def test_what_has_an_address_is_not_started(tmp_path: Path) -> None:
    given = Addresses("kafka.example:9092", "postgresql://db.example/eventos")
    with local_stack(
        tmp_path, kafka_bootstrap_servers=given.kafka_bootstrap_servers, database_url=given.database_url
    ) as stack:
        assert stack.addresses == given
        assert stack.servers == ()


def test_an_address_that_is_given_is_told_to_nobody_for_it_may_hold_a_password(tmp_path: Path) -> None:
    said: list[str] = []
    url = "postgresql://me:hunter2@db.example/eventos"
    with local_stack(tmp_path, kafka_bootstrap_servers="kafka.example:9092", database_url=url, report=said.append):
        assert "hunter2" not in "".join(said)
        found = running_addresses(tmp_path)
        assert found is not None
        assert found.database_url == url
        (announced,) = tmp_path.glob("*.json")
        assert announced.stat().st_mode & 0o777 == 0o600
