"""The AsyncAPI 3.0 document of all topics, made from the registry, the schemas and the examples."""

from typing import Any

from contracts import examples
from contracts.envelope import MAX_VALUE_BYTES
from contracts.json_schemas import schema_path
from contracts.refusals import Reason
from contracts.registry import EVENT_TYPES, EventType
from contracts.topics import DEAD_LETTERS, TOPICS, Topic

Document = dict[str, Any]

PREFIX = "eventos."
CONTENT_TYPE = "application/cloudevents+json"


def document() -> Document:
    """Return the document as plain dicts and lists, in the order in which it is to be read."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "EventOS Streams",
            "version": "1.0.0",
            "description": (
                "What crosses the topics of EventOS. Every value is a CloudEvents 1.0 event in JSON, in structured "
                f"or binary mode, of at most {MAX_VALUE_BYTES:,} bytes. The prefix `{PREFIX}` is configurable. "
                "Identity is (source, id): publishing an event again changes nothing."
            ),
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {topic.name: _channel(topic) for topic in TOPICS.values()},
        "operations": {name: operation for topic in TOPICS.values() for name, operation in _operations(topic)},
        "components": {
            "messages": {
                **{event_type.name: _message(event_type) for event_type in EVENT_TYPES.values()},
                "dead_letter": _dead_letter(),
            }
        },
    }


def _channel(topic: Topic) -> Document:
    kept: Document = (
        {"cleanup.policy": ["compact"]}
        if topic.retention_ms is None
        else {"cleanup.policy": ["delete"], "retention.ms": topic.retention_ms}
    )
    return {
        "address": topic.full_name(PREFIX),
        "description": topic.summary,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _message_names(topic)},
        "bindings": {
            "kafka": {
                "topic": topic.full_name(PREFIX),
                "partitions": topic.partitions,
                "topicConfiguration": kept,
                "bindingVersion": "0.5.0",
            }
        },
        "x-owner": topic.owner,
        "x-key": topic.key,
        "x-consumers": list(topic.consumers),
    }


def _operations(topic: Topic) -> list[tuple[str, Document]]:
    """What the services of EventOS do with a topic; topics that they do not write are published from outside."""
    channel = {"$ref": f"#/channels/{topic.name}"}
    written = [(f"{topic.name}.send", "send")] if topic.derived else []
    read = [(f"{topic.name}.receive.{consumer}", "receive") for consumer in topic.consumers]
    return [(name, {"action": action, "channel": channel}) for name, action in (*written, *read)]


def _message_names(topic: Topic) -> list[str]:
    if topic is DEAD_LETTERS:
        return ["dead_letter"]
    return [name for name, event_type in EVENT_TYPES.items() if event_type.topic is topic]


def _message(event_type: EventType) -> Document:
    """One type, with the example that has its short name."""
    name = event_type.name.split(".")[2]
    return {
        "name": event_type.name,
        "title": name.replace("_", " "),
        "summary": (event_type.model.__doc__ or "").partition("\n")[0],
        "contentType": CONTENT_TYPE,
        "payload": {"$ref": f"./{schema_path(event_type)}"},
        "bindings": {"kafka": {"key": {"type": "string"}, "bindingVersion": "0.5.0"}},
        "examples": [
            {"name": example.name, "summary": example.description, "payload": example.document}
            for example in examples.load(event_type.topic)
            if example.reason is None and example.name == name
        ],
    }


def _dead_letter() -> Document:
    """A refused record: key, value and headers as they were, and headers that say what was wrong."""
    text = {"type": "string"}
    return {
        "name": "dead_letter",
        "title": "dead letter",
        "summary": "A refused record as it was; headers say why.",
        "contentType": "application/octet-stream",
        "headers": {
            "type": "object",
            "required": [f"eventos-{name}" for name in ("reason", "detail", "topic", "partition", "offset")],
            "properties": {
                "eventos-reason": {**text, "enum": [reason.value for reason in Reason]},
                "eventos-detail": {**text, "description": "The field and the rule that it breaks."},
                "eventos-topic": {**text, "description": "Where the record was refused."},
                "eventos-partition": {**text, "pattern": "^[0-9]+$"},
                "eventos-offset": {**text, "pattern": "^[0-9]+$"},
            },
        },
        "payload": {"description": "Any bytes."},
        "bindings": {"kafka": {"key": {"description": DEAD_LETTERS.key}, "bindingVersion": "0.5.0"}},
    }
