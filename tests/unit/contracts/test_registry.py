"""Topics, types and signals agree with each other."""

from operator import attrgetter
from typing import Any

import msgspec
import pytest

from contracts.derived import DerivedData
from contracts.fields import Data, Text, uuids_of
from contracts.lead_signals import LEAD_SIGNALS
from contracts.refusals import Reason
from contracts.registry import EVENT_TYPES, EventType
from contracts.topics import ATTENDEE_QUESTIONS, DEAD_LETTERS, LEAD_SCORES, TICKET_SALES, TOPICS, Topic

INPUT_TYPES = [event_type for event_type in EVENT_TYPES.values() if not event_type.topic.derived]


def test_a_topic_s_name_follows_the_prefix() -> None:
    assert TICKET_SALES.full_name("eventos.") == "eventos.ticket-sales"
    assert TICKET_SALES.full_name("") == "ticket-sales"


def test_a_year_of_input_is_kept_and_the_last_score_of_each_lead() -> None:
    stamped = {"message.timestamp.type": "LogAppendTime"}

    assert TICKET_SALES.kafka_settings == {**stamped, "cleanup.policy": "delete", "retention.ms": "31536000000"}
    assert LEAD_SCORES.kafka_settings == {**stamped, "cleanup.policy": "compact"}
    assert [topic for topic in TOPICS.values() if topic.compacted] == [LEAD_SCORES]


@pytest.mark.parametrize("topic", [topic for topic in TOPICS.values() if topic is not DEAD_LETTERS])
def test_each_topic_carries_types_of_one_kind(topic: Topic) -> None:
    types = [event_type for event_type in EVENT_TYPES.values() if event_type.topic is topic]

    assert types
    assert {issubclass(event_type.model, DerivedData) for event_type in types} == {topic.derived}


def test_types_are_named_alike_and_versioned() -> None:
    for name, event_type in EVENT_TYPES.items():
        eventos, _, short, version = name.split(".")
        assert (eventos, version, event_type.name) == ("eventos", "v1", name)
        assert short == short.lower()


@pytest.mark.parametrize("event_type", INPUT_TYPES, ids=attrgetter("name"))
def test_the_rules_that_pydantic_judges_by_are_those_that_msgspec_reads_by(event_type: EventType) -> None:
    """A rule that was told to one of them only would let in what is to be refused, or slow down what is not."""
    [read] = msgspec.json.schema(event_type.data)["$defs"].values()
    judged = event_type.model.model_json_schema()

    for field in judged["properties"]:
        ours, theirs = _rules(read["properties"][field]), _rules(judged["properties"][field])
        if field in uuids_of(event_type.data):
            assert "[0-9a-fA-F]{8}" in theirs.pop("pattern")
        assert ours == theirs, field
    assert set(read["properties"]) == set(judged["properties"])
    assert set(read["required"]) == set(judged["required"])


def _rules(field: dict[str, Any]) -> dict[str, Any]:
    """What a schema asks of values that are not null."""
    [told] = [each for each in field.get("anyOf", [field]) if each.get("type") != "null"]
    rules = {name: rule for name, rule in told.items() if name not in ("title", "default", "description")}
    if "enum" in rules:
        rules = {"enum": sorted(rules["enum"])}
    if "pattern" in rules:
        rules["pattern"] = rules["pattern"].replace(r"\Z", "$")
    return {name: rule for name, rule in rules.items() if (name, rule) != ("additionalProperties", True)}


def test_each_signal_belongs_to_one_service_that_hears_of_it() -> None:
    signals = [signal for each in LEAD_SIGNALS.values() for signal in each]
    activities = {name.split(".")[2] for name in EVENT_TYPES if name.startswith("eventos.sponsor.")}

    assert len(signals) == len(set(signals)) == 17
    assert LEAD_SIGNALS["sponsor_activity"] == activities - {"note_added", "sponsorship_signed"}


def test_reasons_stand_in_the_order_in_which_they_are_tested() -> None:
    assert [reason.value for reason in Reason] == [
        "oversized",
        "not_json",
        "invalid_envelope",
        "unknown_type",
        "invalid_data",
        "time_in_future",
        "unknown_sponsor",
        "unknown_event",
        "event_id_conflict",
        "handler_error",
    ]


def test_data_without_a_uuid_is_read_too() -> None:
    class Remark(Data, frozen=True, kw_only=True):
        text: Text

    remark_made = EventType("eventos.support.remark_made.v1", ATTENDEE_QUESTIONS, Remark)

    assert remark_made.read({"text": "x"}) == Remark(text="x")
