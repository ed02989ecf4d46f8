"""The types that fields of events are made of, and what is said when a check fails."""

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError

_UUID = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
_MONEY = r"^[0-9]{1,10}(\.[0-9]{1,2})?$"
_CURRENCY = r"^[A-Z]{3}$"

Uuid = Annotated[str, StringConstraints(pattern=_UUID, to_lower=True)]
"""8-4-4-4-12 hexadecimal digits in either case; lower case once read."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=255)]
"""1 to 255 code points, as given."""

Money = Annotated[str, StringConstraints(pattern=_MONEY)]
"""An amount as it was written, such as "1250" or "12.5"; `cents` counts with it."""

Currency = Annotated[str, StringConstraints(pattern=_CURRENCY)]
"""Three capital letters."""

Flag = Annotated[
    bool,
    BeforeValidator(lambda given: False if given is None else given, json_schema_input_type=bool | None),
]
"""True or false; null and absent are false."""

JsonObject = dict[str, Any]
"""Any JSON object; nobody looks inside."""


class Data(BaseModel):
    """The `data` of an event. Types are strict; fields that are not declared are ignored."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    @property
    def partition_key(self) -> str:
        """The key under which the event is published: events of one key keep their order."""
        raise NotImplementedError


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
