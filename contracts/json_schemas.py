"""JSON Schemas (draft 07, which AsyncAPI asks for) of the events, made from the models."""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue

from contracts.envelope import MAX_TEXT, RFC3339
from contracts.registry import EventType

JsonSchema = dict[str, Any]

_DRAFT = "http://json-schema.org/draft-07/schema#"


def event_schema(event_type: EventType) -> JsonSchema:
    """Return the schema of one type's record values in structured mode, complete in itself."""
    text = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}
    return {
        "$schema": _DRAFT,
        "title": event_type.name,
        "description": (event_type.model.__doc__ or "").strip(),
        "type": "object",
        "required": ["specversion", "id", "source", "type", "time", "data"],
        "properties": {
            "specversion": {"type": "string", "const": "1.0"},
            "id": {**text, "description": "With `source` the identity of the event."},
            "source": {**text, "description": "Who published the event."},
            "type": {"type": "string", "const": event_type.name},
            "time": {
                "type": "string",
                "format": "date-time",
                "pattern": f"^{RFC3339.pattern}$",
                "description": "When it happened, in RFC 3339; digits after the sixth are cut.",
            },
            "data": data_schema(event_type),
        },
    }


def data_schema(event_type: EventType) -> JsonSchema:
    """Return the schema of one type's `data`."""
    schema = event_type.model.model_json_schema(schema_generator=_Plain)
    data: JsonSchema = _inlined(schema, schema.pop("$defs", {}))
    return data


def schema_path(event_type: EventType) -> str:
    """Return where the type's schema lies, seen from this package."""
    return f"schemas/{event_type.topic.name}/{event_type.name}.json"


class _Plain(GenerateJsonSchema):
    """Without the titles that only repeat names, and the descriptions of models, which the event has."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def generate(self, schema: Any, mode: JsonSchemaMode = "validation") -> JsonSchemaValue:
        generated = super().generate(schema, mode)
        for model in (generated, *generated.get("$defs", {}).values()):
            model.pop("title", None)
            model.pop("description", None)
        return generated


def _inlined(schema: Any, definitions: JsonSchema) -> Any:
    if isinstance(schema, list):
        return [_inlined(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions)
    return {keyword: _inlined(value, definitions) for keyword, value in schema.items()}
