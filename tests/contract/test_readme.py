"""The README and the page it sends operators to say what is: topics, services, tables, commands, metrics."""

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from contracts.topics import TOPICS
from services.operator.cli import COMMANDS
from services.operator.processes import SERVICES
from services.runtime.metrics import IntakeMetrics, RelayMetrics

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in README.split("## What goes where")[1].split("##")[0].splitlines()
    if line.startswith("|") and "](services/" in line
]


def service_of(row: list[str]) -> str:
    return row[1][1:].split("]")[0]


def names(cell: str) -> list[str]:
    return re.findall(r"`([\w.-]+)`", cell)


def sql_of(service: str) -> str:
    folder = ROOT / "services" / service
    return "".join(path.read_text("utf-8") for path in (folder / "queries.sql", folder / "store.py"))


def test_every_service_has_its_row() -> None:
    assert [service_of(row) for row in ROWS] == list(SERVICES)


@pytest.mark.parametrize("row", ROWS, ids=service_of)
def test_a_service_consumes_the_topic_of_its_row(row: list[str]) -> None:
    consumed = {name for name, topic in TOPICS.items() if service_of(row) in topic.consumers}
    assert consumed == set(names(row[0]))


@pytest.mark.parametrize("row", ROWS, ids=service_of)
def test_a_service_writes_the_tables_of_its_row(row: list[str]) -> None:
    sql = sql_of(service_of(row))
    tables = [name.split(".")[0] for name in names(row[2])]
    assert tables
    assert [table for table in tables if not re.search(rf"\b{table}\b", sql)] == []


@pytest.mark.parametrize("row", ROWS, ids=service_of)
def test_derived_topics_are_registered(row: list[str]) -> None:
    assert [name for name in names(row[3]) if not TOPICS[name].derived] == []


def test_every_make_target_it_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"\bmake ([a-z][a-z-]*)", README))
    assert {"run", "test"} <= targets
    assert [target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []


def test_every_command_it_names_exists() -> None:
    named = set(re.findall(r"\beventos ([a-z][a-z-]+)", README))
    assert {"status", "receipt", "resume"} <= named
    assert named - COMMANDS.keys() == set()


def test_every_metric_to_watch_exists() -> None:
    page = (ROOT / "docs/architecture.md").read_text("utf-8").split("## What to watch")[1].split("\n## ")[0]
    named = set(re.findall(r"\beventos_[a-z_]+", page))
    relay = CollectorRegistry()
    RelayMetrics(relay)
    exposed = (generate_latest(IntakeMetrics("any").registry) + generate_latest(relay)).decode()
    assert len(named) > 15
    assert [name for name in sorted(named) if not re.search(rf"^# TYPE {name} ", exposed, re.MULTILINE)] == []
