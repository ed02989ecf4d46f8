"""BACKWARD_TRANSITIVE: today's schemas must accept every event that any earlier release accepted.

Pure and careful: what it does not understand, or cannot show to be as wide as before, it reports. Fields may be
dropped and optional ones added, because decoding ignores fields that are not declared.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

Release = Mapping[str, Mapping[str, Schema]]
"""The schemas of a release, by topic and type."""

_LOWER_BOUNDS = ("minLength", "minimum")
_UPPER_BOUNDS = ("maxLength", "maximum")
_FORMS = ("pattern", "format", "additionalProperties")
_NOTES = ("$schema", "title", "description", "default", "examples")
_UNDERSTOOD = {
    *_LOWER_BOUNDS,
    *_UPPER_BOUNDS,
    *_FORMS,
    *_NOTES,
    *("type", "const", "enum", "anyOf", "required", "properties", "items"),
}


def breaks(released: Mapping[str, Release], now: Release) -> list[str]:
    """Return why events of earlier releases, by version, may not be readable now: a line each, none if all are."""
    return [
        f"{fault} (released in {version})"
        for version, release in released.items()
        for topic, schemas in release.items()
        for name, schema in schemas.items()
        for fault in _type_breaks(f"{topic}: {name}", schema, now.get(topic, {}).get(name))
    ]


def narrowings(old: Schema, new: Schema, path: str) -> Iterator[str]:
    """Yield what `old` accepts and `new` may refuse, as lines that start with `path`."""
    if strange := (old.keys() | new.keys()) - _UNDERSTOOD:
        yield f"{path}: cannot compare {', '.join(sorted(strange))}"
    elif "anyOf" in old or "anyOf" in new:
        yield from _alternatives(old.get("anyOf", [old]), new.get("anyOf", [new]), path)
    elif not _type_accepted(old.get("type"), new.get("type")):
        yield f"{path}: was {old.get('type', 'anything')}, is {new['type']}"
    else:
        yield from _values(old, new, path)
        yield from _bounds(old, new, path)
        yield from _fields(old, new, path)


def _type_breaks(path: str, old: Schema, new: Schema | None) -> Iterator[str]:
    if new is None:
        yield f"{path}: the type is gone"
    else:
        yield from narrowings(old, new, path)


def _alternatives(old: list[Schema], new: list[Schema], path: str) -> Iterator[str]:
    """Each old alternative must fit into one of the new; what it lacks is told of the one of its own type."""
    for one in old:
        found = [list(narrowings(one, other, path)) for other in new]
        if all(found):
            akin = [faults for faults, other in zip(found, new, strict=True) if other.get("type") == one.get("type")]
            yield from akin[0] if akin else [f"{path}: {one.get('type', 'anything')} is no longer accepted"]


def _type_accepted(old: object, new: object) -> bool:
    return new is None or old == new or (old == "integer" and new == "number")


def _values(old: Schema, new: Schema, path: str) -> Iterator[str]:
    before, now = _listed(old), _listed(new)
    if now is not None and before is None:
        yield f"{path}: only {now} are accepted now"
    elif now is not None and before is not None:
        yield from (f"{path}: {value!r} is no longer accepted" for value in before if value not in now)


def _listed(schema: Schema) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _bounds(old: Schema, new: Schema, path: str) -> Iterator[str]:
    for bound in _LOWER_BOUNDS:
        if bound in new and not (bound in old and old[bound] >= new[bound]):
            yield f"{path}: {bound} rose from {old.get(bound, 'none')} to {new[bound]}"
    for bound in _UPPER_BOUNDS:
        if bound in new and not (bound in old and old[bound] <= new[bound]):
            yield f"{path}: {bound} fell from {old.get(bound, 'none')} to {new[bound]}"
    for form in _FORMS:
        if form in new and new[form] is not True and old.get(form) != new[form]:
            yield f"{path}: {form} changed from {old.get(form, 'none')} to {new[form]}"


def _fields(old: Schema, new: Schema, path: str) -> Iterator[str]:
    for field in new.get("required", []):
        if field not in old.get("required", []):
            yield f"{path}.{field}: is now required"
    fields = new.get("properties", {})
    for field, schema in old.get("properties", {}).items():
        if field in fields:
            yield from narrowings(schema, fields[field], f"{path}.{field}")
    if "items" in new:
        yield from narrowings(old.get("items", {}), new["items"], f"{path}[]")
