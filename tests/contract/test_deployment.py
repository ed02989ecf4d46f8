import re
import xml.etree.ElementTree as ElementTree
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest
import yaml

from infra.local import postgres
from services.operator.processes import SERVICES

PROJECT = Path(__file__).parents[2]
JOBS = ("migrate", "topics")
LOCKS = ["requirements.lock", "requirements.services.lock"]


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())
    return loaded


def composed(service: str) -> dict[str, Any]:
    found: dict[str, Any] = compose()["services"][service.replace("_", "-")]
    return found


def pinned(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", (PROJECT / lock).read_text(), re.MULTILINE))


def test_the_compose_file_follows_its_schema() -> None:
    schema = distribution("check-jsonschema").locate_file("check_jsonschema/builtin_schemas/vendor/compose-spec.json")
    jsonschema.validate(compose(), orjson.loads(Path(str(schema)).read_bytes()))


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_is_deployed_once_the_database_and_the_topics_are_ready(service: str) -> None:
    assert composed(service)["command"] == ["run", service]
    assert composed(service)["depends_on"] == {job: {"condition": "service_completed_successfully"} for job in JOBS}


@pytest.mark.parametrize("service", [*SERVICES, *JOBS])
def test_what_is_ours_runs_with_no_rights(service: str) -> None:
    assert composed(service)["read_only"]
    assert composed(service)["cap_drop"] == ["ALL"]


def test_the_image_does_not_run_as_root_and_knows_when_it_is_ill() -> None:
    instructions = (PROJECT / "Dockerfile").read_text()
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", instructions, re.MULTILINE)
    assert "/livez" in instructions


def test_ports_are_open_to_this_machine_only() -> None:
    ports = [port for service in compose()["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_prometheus_scrapes_each_service() -> None:
    configuration = yaml.safe_load((PROJECT / "infra/prometheus/prometheus.yml").read_text())
    (job,) = configuration["scrape_configs"]
    assert sorted(job["dns_sd_configs"][0]["names"]) == sorted(service.replace("_", "-") for service in SERVICES)


def test_docker_and_the_local_stack_run_the_same_kafka() -> None:
    pom = ElementTree.parse(PROJECT / "infra/kafka/pom.xml")  # noqa: S314 - our own file
    version = pom.findtext(".//{*}properties/{*}kafka.version")
    assert compose()["services"]["kafka"]["image"] == f"apache/kafka:{version}"


def test_docker_and_the_local_stack_set_postgres_alike() -> None:
    words = compose()["services"]["postgres"]["command"][1:]
    settings = dict(word.removeprefix("-c").split("=", 1) for word in words)
    assert settings.items() <= postgres.SETTINGS.items()


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_address_and_every_package_has_a_hash(lock: str) -> None:
    text = (PROJECT / lock).read_text()
    assert "://" not in text
    assert all("--hash=sha256:" in block for block in re.split(r"\n(?=\S)", text))


def test_services_run_with_the_versions_that_were_tested() -> None:
    assert pinned(LOCKS[1]).items() <= pinned(LOCKS[0]).items()
