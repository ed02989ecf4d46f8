"""Every example file, fed to every topic's decoding and held against the schemas."""

from datetime import UTC, datetime

import pytest
from jsonschema import Draft7Validator

from contracts import examples
from contracts.envelope import Event, Refused, decode
from contracts.examples import Example
from contracts.fields import Data
from contracts.json_schemas import event_schema
from contracts.refusals import Reason
from contracts.registry import EVENT_TYPES
from contracts.topics import TOPICS, Topic

LATEST = datetime(2026, 12, 1, tzinfo=UTC)
EXAMPLES = examples.load()
VALID = [example for example in EXAMPLES if example.reason is None]
INVALID = [example for example in EXAMPLES if example.reason is not None]
SCHEMATIC = [  # those whose value is given as JSON; a schema knows no bytes
    each for each in EXAMPLES if each.document is not None and not each.headers and each.reason is not Reason.OVERSIZED
]
INPUT_TYPES = [name for name, event_type in EVENT_TYPES.items() if not event_type.topic.derived]
BEFORE_TYPE = (Reason.OVERSIZED, Reason.NOT_JSON, Reason.INVALID_ENVELOPE)


def _name(given: object) -> str | None:
    return f"{given.topic.name}/{given.name}" if isinstance(given, Example) else None


def _decode(example: Example, topic: Topic | None = None) -> Event[Data] | Refused:
    return decode(topic or example.topic, example.value, example.headers, LATEST)


@pytest.mark.parametrize("example", VALID, ids=_name)
def test_a_valid_example_is_an_event_of_its_topic(example: Example) -> None:
    event = _decode(example)

    assert isinstance(event, Event), event
    assert EVENT_TYPES[event.type].topic is example.topic
    assert example.key is None or example.key.decode() == event.data.partition_key


@pytest.mark.parametrize("example", INVALID, ids=_name)
def test_an_invalid_example_is_refused_for_its_reason(example: Example) -> None:
    refused = _decode(example)

    assert isinstance(refused, Refused)
    assert refused.reason is example.reason
    assert example.detail
    assert refused.detail.startswith(example.detail)


@pytest.mark.parametrize("example", EXAMPLES, ids=_name)
def test_on_any_other_topic_an_example_is_of_an_unknown_type_at_best(example: Example) -> None:
    expected = example.reason if example.reason in BEFORE_TYPE else Reason.UNKNOWN_TYPE
    intended = EVENT_TYPES.get(example.document.get("type", "")) if isinstance(example.document, dict) else None
    at_home = {example.topic, intended.topic if intended else example.topic}

    for topic in TOPICS.values():
        if topic not in at_home:
            refused = _decode(example, topic)
            assert isinstance(refused, Refused)
            assert refused.reason is expected, topic.name


@pytest.mark.parametrize("example", SCHEMATIC, ids=_name)
def test_a_schema_accepts_what_decoding_accepts(example: Example) -> None:
    """Where JSON Schema cannot say the rule that is broken, the example says so."""
    schemas = [event_schema(each) for each in EVENT_TYPES.values() if each.topic is example.topic]

    accepted = any(Draft7Validator(schema).is_valid(example.document) for schema in schemas)

    assert accepted == (example.reason is None or example.beyond_schema)


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_each_type_has_a_valid_example_by_its_short_name(name: str) -> None:
    short = name.split(".")[2]

    assert short in {example.name for example in VALID if example.topic is EVENT_TYPES[name].topic}


@pytest.mark.parametrize("name", INPUT_TYPES)
def test_each_field_that_others_write_has_an_example_that_is_wrong_in_it(name: str) -> None:
    event_type = EVENT_TYPES[name]
    told = {example.detail.partition(":")[0] for example in INVALID if example.topic is event_type.topic}

    assert {f"data.{field}" for field in event_type.model.model_fields} <= told


def test_each_reason_that_decoding_can_give_has_an_example() -> None:
    assert {example.reason for example in INVALID} == {
        Reason.OVERSIZED,
        Reason.NOT_JSON,
        Reason.INVALID_ENVELOPE,
        Reason.UNKNOWN_TYPE,
        Reason.INVALID_DATA,
        Reason.TIME_IN_FUTURE,
    }
