"""JSON as the contracts mean it: what is refused beyond the grammar, and a canonical form to compare by."""

import json
import re
from typing import Any

import orjson

MAX_NESTING = 200  # orjson reads 1,024 levels but writes 254; the canonical form adds one

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_ANY_DIGIT = bytes.maketrans(b"123456789", b"000000000")
_SAFE_DIGITS = 18  # no integer of so few digits leaves 64 bits
_LONG_NUMBER = b"0" * (_SAFE_DIGITS + 1)


class NotJson(ValueError):
    """The bytes are not a JSON value; the message says why, without citing them."""


def parse(value: bytes) -> Any:
    """Read one JSON value in UTF-8. Of repeated keys the last wins; integers beyond 64 bits become floats.

    Raises NotJson for anything else, and for U+0000 in a string, numbers that overflow, and more than
    MAX_NESTING levels.
    """
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise NotJson(str(error)) from None
    if b"\\u0000" in value and _NUL.search(value):
        raise NotJson("a string holds U+0000")
    if value.count(b"{") + value.count(b"[") > MAX_NESTING and _nesting(value) > MAX_NESTING:
        raise NotJson(f"nested more than {MAX_NESTING} levels deep")
    return document


def has_long_number(value: bytes) -> bool:
    """Whether the bytes may hold an integer that `parse` rounds; true also for long digits in strings."""
    return _LONG_NUMBER in value.translate(_ANY_DIGIT)


def parse_exactly(value: bytes) -> Any:
    """Read a value that `parse` accepted, for `canonical` only: long integers are kept by their digits."""
    return json.loads(value.decode(), parse_int=_exact_integer)


def canonical(document: Any) -> bytes:
    """Write a value so that equal JSON gives equal bytes: sorted keys, no spaces; 1 and 1.0 differ."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def _exact_integer(digits: str) -> int | orjson.Fragment:
    return int(digits) if len(digits) <= _SAFE_DIGITS else orjson.Fragment(digits)


def _nesting(value: bytes) -> int:
    depth = deepest = 0
    for byte in _STRING.sub(b"", value):
        if byte in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"}]":
            depth -= 1
    return deepest
