"""The checked-in schemas and asyncapi.yaml say what the code does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from contracts import generate
from contracts.json_schemas import event_schema
from contracts.registry import EVENT_TYPES
from contracts.topics import TOPICS, Topic

DOCUMENT: dict[str, Any] = yaml.safe_load((generate.HERE / "asyncapi.yaml").read_text("utf-8"))


def test_nothing_generated_is_stale() -> None:
    assert generate.stale() == [], "run: python -m contracts.generate"


def test_a_changed_a_missing_and_a_left_over_file_are_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "HERE", tmp_path)
    monkeypatch.setattr(generate, "SCHEMAS", tmp_path / "schemas")
    generate.write()
    changed, missing, *_ = sorted((tmp_path / "schemas").glob("*/*.json"))
    left_over = changed.with_name("eventos.sponsor.sneezed.v1.json")
    changed.write_text("{}")
    missing.unlink()
    left_over.write_text("{}")

    assert generate.stale() == sorted([changed, missing, left_over])

    generate.write()
    assert generate.stale() == []


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_each_schema_is_a_json_schema(name: str) -> None:
    Draft7Validator.check_schema(event_schema(EVENT_TYPES[name]))


@pytest.mark.parametrize("topic", TOPICS.values(), ids=lambda topic: topic.name)
def test_asyncapi_tells_each_topic_with_its_types(topic: Topic) -> None:
    channel = DOCUMENT["channels"][topic.name]
    kafka = channel["bindings"]["kafka"]

    assert channel["address"] == kafka["topic"] == f"eventos.{topic.name}"
    assert kafka["partitions"] == topic.partitions
    assert kafka["topicConfiguration"].get("retention.ms") == topic.retention_ms
    assert (channel["x-owner"], channel["x-key"]) == (topic.owner, topic.key)
    types = {name for name, event_type in EVENT_TYPES.items() if event_type.topic is topic}
    assert set(channel["messages"]) == (types or {"dead_letter"})


def test_asyncapi_shows_an_example_of_each_type() -> None:
    messages = DOCUMENT["components"]["messages"]

    for name, event_type in EVENT_TYPES.items():
        [example] = messages[name]["examples"]
        assert Draft7Validator(event_schema(event_type)).is_valid(example["payload"])


def test_every_reference_in_asyncapi_leads_somewhere() -> None:
    references = list(_references(DOCUMENT))

    assert len(references) > 2 * len(EVENT_TYPES)
    for reference in references:
        file, _, pointer = reference.partition("#")
        if file:
            assert (generate.HERE / file).is_file(), reference
        else:
            found = DOCUMENT
            for step in pointer.strip("/").split("/"):
                found = found[step]


def _references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref":
                yield value
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)
