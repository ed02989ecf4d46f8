"""What a process says of itself in /metrics before it has done anything."""

import tomllib
from pathlib import Path

import pytest
from pydantic import SecretStr

from services import VERSION
from services.event_dashboards.app import SERVICE as EVENT_DASHBOARDS
from services.runtime.service import Service, metrics_of
from services.runtime.settings import Settings
from services.ticket_sales.app import SERVICE as TICKET_SALES

PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"


@pytest.mark.parametrize("service", [TICKET_SALES, EVENT_DASHBOARDS], ids=lambda service: service.name)
def test_a_process_says_which_version_of_which_service_it_is(service: Service) -> None:
    settings = Settings(kafka_bootstrap_servers="unused:9092", database_url=SecretStr("postgresql://unused"))

    registry = metrics_of(service, settings).registry

    labels = {"service": service.name, "version": VERSION}
    assert registry.get_sample_value("eventos_build_info", labels) == 1


def test_the_version_is_the_projects() -> None:
    assert tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]["version"] == VERSION
