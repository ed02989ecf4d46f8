"""The Kafka and the Postgres of a test run: real, of its own, and started when a test first asks for one.

Under xdist the controller starts both and its workers share them, so that no worker outlives its servers. With
EVENTOS_TEST_KAFKA_BOOTSTRAP_SERVERS or EVENTOS_TEST_DATABASE_URL a run uses servers that exist; it then makes
databases, roles and topics of its own there, so never name one that matters.
"""

import os
import shutil
import tempfile
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from infra.local.stack import local_stack

_NOT_WANTED = "not wanted"

# A power cut may cost a test run its data. What a transaction sees is the same. A template that
# is looked at for what to vacuum cannot be copied meanwhile.
_POSTGRES_SETTINGS = {"fsync": "off", "shared_buffers": "128MB", "max_wal_size": "1GB", "autovacuum_naptime": "1min"}


class Servers:
    """Servers that start when their address is first read, and stop with `close`."""

    def __init__(self) -> None:
        self._cleanup = ExitStack()

    @cached_property
    def kafka_bootstrap_servers(self) -> str:
        """Address of the Kafka."""
        if given := os.environ.get("EVENTOS_TEST_KAFKA_BOOTSTRAP_SERVERS"):
            return given
        stack = local_stack(self._folder("kafka"), database_url=_NOT_WANTED, kafka_port=0)
        return self._cleanup.enter_context(stack).addresses.kafka_bootstrap_servers

    @cached_property
    def database_url(self) -> str:
        """Address of the Postgres, and of a database that only makes others."""
        if given := os.environ.get("EVENTOS_TEST_DATABASE_URL"):
            return given
        stack = local_stack(
            self._folder("postgres"), kafka_bootstrap_servers=_NOT_WANTED, postgres_settings=_POSTGRES_SETTINGS
        )
        return self._cleanup.enter_context(stack).addresses.database_url

    def close(self) -> None:
        """Stop what was started, and remove its data."""
        self._cleanup.close()

    def _folder(self, name: str) -> Path:
        folder = Path(tempfile.mkdtemp(prefix=f"eventos-test-{name}-"))
        self._cleanup.callback(shutil.rmtree, folder)
        return folder


class _Shared(Servers):
    """The controller's servers, as its workers know them."""

    def __init__(self, addresses: dict[str, Any]) -> None:
        super().__init__()
        self.__dict__.update(
            kafka_bootstrap_servers=addresses["kafka_bootstrap_servers"], database_url=addresses["database_url"]
        )


_SERVERS = pytest.StashKey[Servers]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the servers known; nothing starts yet."""
    addresses = getattr(config, "workerinput", None)
    servers = Servers() if addresses is None else _Shared(addresses)
    config.stash[_SERVERS] = servers
    config.add_cleanup(servers.close)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """In xdist's controller: start the servers before the first worker, and tell each where they are."""
    servers = node.config.stash[_SERVERS]
    node.workerinput["kafka_bootstrap_servers"] = servers.kafka_bootstrap_servers
    node.workerinput["database_url"] = servers.database_url


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Servers:
    """Kafka and Postgres of this run; each starts when its address is first read."""
    return pytestconfig.stash[_SERVERS]
