"""Valid and invalid records of every type, as files: `<topic>/{valid,invalid}/<name>.json`.

Each file says in `description` what it shows and holds a `record`: `key`, `headers` (text, `{"base64": …}` or null),
and the value as JSON (`value`, filled up with spaces to `padded_to` bytes), as text (`value_text`), or as
`value_base64`. Invalid ones name the `reason` and the start of the `detail` that decoding gives them. Where JSON
Schema cannot express the rule that is broken, `beyond_schema` is true.
"""

import json
from base64 import b64decode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.refusals import Reason
from contracts.topics import TOPICS, Topic

SPONSOR_ID = "5f0c7a52-8f3e-4c39-9f0b-0d5a3f5a7c11"
EVENT_ID = "3898d190-f9eb-4acc-8cb1-e29c658cda14"
"""The sponsor and the event of all valid examples."""


@dataclass(frozen=True)
class Example:
    """One example record. `document` is its value as JSON where the file has it so, `headers` are Kafka's.

    `reason` is None for a valid record; `detail` is how the refusal's detail starts.
    """

    topic: Topic
    name: str
    description: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    document: Any = None
    reason: Reason | None = None
    detail: str = ""
    beyond_schema: bool = False


def load(topic: Topic | None = None) -> list[Example]:
    """Read the examples of one topic or of all, in order of their files' names."""
    topics = TOPICS.values() if topic is None else [topic]
    folder = Path(__file__).parent
    return [_read(each, path) for each in topics for path in sorted((folder / each.name).glob("*valid/*.json"))]


def _read(topic: Topic, path: Path) -> Example:
    file = json.loads(path.read_text("utf-8"))
    record = file["record"]
    return Example(
        topic=topic,
        name=path.stem,
        description=file["description"],
        key=_bytes(record.get("key")),
        value=_value(record),
        headers=tuple((name, _bytes(value)) for name, value in record.get("headers", {}).items()),
        document=record.get("value"),
        reason=Reason(file["reason"]) if "reason" in file else None,
        detail=file.get("detail", ""),
        beyond_schema=file.get("beyond_schema", False),
    )


def _value(record: dict[str, Any]) -> bytes | None:
    if "value_base64" in record:
        return b64decode(record["value_base64"])
    if "value_text" in record:
        return _bytes(record["value_text"])
    value = json.dumps(record["value"], ensure_ascii=False).encode()
    return value.ljust(record.get("padded_to", 0))


def _bytes(given: str | dict[str, str] | None) -> bytes | None:
    if isinstance(given, dict):
        return b64decode(given["base64"])
    return None if given is None else given.encode()
