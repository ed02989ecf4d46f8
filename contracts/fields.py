"""The types that fields of events are made of, and what is said when a check fails.

Each type says its rule twice: to pydantic, which judges, and to msgspec, which reads what is in order at first sight.
Of a Uuid, `are_lower_uuids` says the second.
"""

import re
from collections.abc import Collection
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, get_args, get_type_hints

from msgspec import Meta, Struct, structs
from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError, create_model

_UUID = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
_LOWER_UUID = re.compile(_UUID.replace("A-F", ""))
MOST_UUIDS = 2**16
_LOWER_UUIDS: set[str | None] = {None}
"""Texts that were found to be Uuids in lower case: those of the same sponsors and events come again and again."""
_MONEY = r"^[0-9]{1,10}(\.[0-9]{1,2})?$"
_CURRENCY = r"^[A-Z]{3}$"


def _whole(pattern: str) -> Meta:
    """The pattern for msgspec, to which `$` would also be the place before a last line break."""
    return Meta(pattern=pattern.replace("$", r"\Z"))


_IS_UUID = StringConstraints(pattern=_UUID, to_lower=True)

Uuid = Annotated[str, _IS_UUID]
"""8-4-4-4-12 hexadecimal digits in either case; lower case once read."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=255), Meta(min_length=1, max_length=255)]
"""1 to 255 code points, as given."""

Money = Annotated[str, StringConstraints(pattern=_MONEY), _whole(_MONEY)]
"""An amount as it was written, such as "1250" or "12.5"; `cents` counts with it."""

Currency = Annotated[str, StringConstraints(pattern=_CURRENCY), _whole(_CURRENCY)]
"""Three capital letters."""

Flag = Annotated[
    bool,
    BeforeValidator(lambda given: False if given is None else given, json_schema_input_type=bool | None),
]
"""True or false; null and absent are false."""

JsonObject = dict[str, Any]
"""Any JSON object; nobody looks inside."""


class Data(Struct, frozen=True, kw_only=True, gc=False):
    """The `data` of an event that comes from upstream, as services have it: valid, with what was left out filled in.

    Types are strict; fields that are not declared are ignored.
    """

    @property
    def partition_key(self) -> str:
        """The key under which the event is published: events of one key keep their order."""
        raise NotImplementedError


class Model(BaseModel):
    """Data as pydantic judges it: the rules in full, with words for each fault, and the JSON Schema."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


@cache
def model_of(data: type[Data]) -> type[Model]:
    """Make the model of a class of data: of the same name and fields, in the same order."""
    given = {field.name: ... if field.required else field.default for field in structs.fields(data)}
    fields: dict[str, Any] = {name: (type_, given[name]) for name, type_ in _types(data).items()}
    return create_model(data.__name__, __base__=Model, __doc__=data.__doc__, **fields)


def uuids_of(data: type[Any]) -> list[str]:
    """The names of the fields that hold a Uuid, or may."""
    return [name for name, type_ in _types(data).items() if any(_is_uuid(each) for each in (type_, *get_args(type_)))]


def _types(data: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(data, include_extras=True)
    return {name: type_ for name, type_ in hints.items() if name in data.__struct_fields__}


def _is_uuid(type_: object) -> bool:
    return _IS_UUID in getattr(type_, "__metadata__", ())


def are_lower_uuids(texts: Collection[str | None]) -> bool:
    """Whether each is a Uuid that needs no lowering, or None."""
    if _LOWER_UUIDS.issuperset(texts):
        return True
    found = [text for text in texts if text is not None and _LOWER_UUID.fullmatch(text)]
    if len(_LOWER_UUIDS) > MOST_UUIDS:
        _LOWER_UUIDS.intersection_update([None])
    _LOWER_UUIDS.update(found)
    return _LOWER_UUIDS.issuperset(texts)


def cents(money: str) -> int:
    """The amount in hundredths, exactly: 1250 for "12.5"."""
    return int(Decimal(money) * 100)


_RULES = {
    "missing": "is required",
    "string_type": "must be a string",
    "int_type": "must be a JSON integer",
    "bool_type": "must be true or false",
    "dict_type": "must be a JSON object",
    _UUID: "must be a UUID of 8-4-4-4-12 hexadecimal digits",
    _MONEY: 'must be a string of 1 to 10 digits with at most two decimals, such as "1250.00"',
    _CURRENCY: 'must be three capital letters, such as "EUR"',
}


def first_fault(error: ValidationError) -> str:
    """Say which field of `data` is wrong, and why, in documented order; never with the value itself."""
    fault = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(("data", *map(str, fault["loc"])))
    rule = fault.get("ctx", {}).get("pattern", fault["type"])
    said = re.sub(r"^\w+ should", "must", fault["msg"])
    return f"{field}: {_RULES.get(rule, said)}"
