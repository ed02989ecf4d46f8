"""What all tests share: marks by folder, the servers of a test run, and nothing to reach from unit tests."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

pytest_plugins = [
    "tests.support.servers", "tests.support.databases", "tests.support.topics", "tests.support.reliability",
]  # fmt: skip

# How fast examples are made says something of the machine, and nothing of the code.
settings.register_profile("eventos", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("eventos")

_MARKS = {"benchmarks": "benchmark"}
_TESTS = Path(__file__).parent
_WHOLE_PROCESSES = ("tests/e2e/", "tests/faults/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by the folder it is in."""
    for item in items:
        if item.path.is_relative_to(_TESTS):
            folder = item.path.relative_to(_TESTS).parts[0]
            item.add_marker(_MARKS.get(folder, folder))


class WholeProcessesOneByOne(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Tests that start whole stacks of processes run in one worker, all others wherever there is room.

    Marks cannot say so: pytest-xdist 3.8 sets `Item._nodeid` for its groups, which pytest 9.2 no longer reads.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "whole processes" if nodeid.startswith(_WHOLE_PROCESSES) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> WholeProcessesOneByOne:
    """Spread the tests over the workers; called in xdist's controller alone."""
    return WholeProcessesOneByOne(config, log)


@pytest.fixture(autouse=True)
def nothing_to_reach(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keep unit tests from sockets and the database."""
    if request.node.get_closest_marker("unit") is None:
        yield
        return

    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("a unit test reaches for a socket")

    with pytest.MonkeyPatch.context() as patch:
        for name in ("bind", "connect", "connect_ex"):
            patch.setattr(socket.socket, name, refuse)
        patch.setattr(psycopg, "connect", refuse)
        yield
