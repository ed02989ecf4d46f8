"""A service that is asked to stop before it could begin."""

import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.whole_processes import running

pytestmark = [pytest.mark.timeout(120), pytest.mark.proves(20)]


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes connections and says nothing."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed() -> int:
    """A port at which nobody listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.mark.parametrize("service", ["sponsor_activity", "outbox_relay"])
@pytest.mark.parametrize(("database", "sign"), [("closed", "database_away"), ("silent", "serving")])
def test_one_that_waits_for_its_database_ends_with_0(
    request: pytest.FixtureRequest, tmp_path: Path, service: str, database: str, sign: str
) -> None:
    port = request.getfixturevalue(database)
    environment = {
        "EVENTOS_DATABASE_URL": f"postgresql://eventos@127.0.0.1:{port}/eventos",
        "EVENTOS_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{port}",
    }
    with running(tmp_path / "log", "run", service, environment=environment) as command:
        command.wait_until(lambda: f'"{sign}"' in command.written)
        assert command.end(signal.SIGTERM, 30) == 0
        assert '"stopped"' in command.written
        assert "Traceback" not in command.written
