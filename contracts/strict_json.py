"""JSON as the contracts mean it: what is refused beyond the grammar, and a canonical form to compare by."""

import json
import re
from typing import Any

import orjson

MAX_NESTING = 250  # orjson reads 1,024 levels but writes 254; the canonical form adds one

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z
_DOUBLE_DIGITS = 308
_TWELVE_DIGITS = re.compile(rb"[0-9]{12}")
_SAFE_DIGITS = 18  # no integer of so few digits leaves 64 bits


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
    if b"\\" in value and _NUL.search(value):
        raise NotJson("a string holds U+0000")
    if is_deep(value):
        raise NotJson(f"nested more than {MAX_NESTING} levels deep")
    return document


def is_deep(value: bytes) -> bool:
    """Whether a JSON value has more than MAX_NESTING levels."""
    return len(value) > 2 * MAX_NESTING and _nesting(value) > MAX_NESTING


def may_overflow(value: bytes) -> bool:
    """Whether there may be a number of more than 308 digits, which no double holds; seldom true of others.

    Every 25th byte is looked at: of so many digits, twelve in a row.
    """
    return len(value) > _DOUBLE_DIGITS and _TWELVE_DIGITS.search(value[::25]) is not None


def canonical(document: Any) -> bytes:
    """Write a value so that equal JSON gives equal bytes: sorted keys, no spaces; 1 and 1.0 differ."""
    return orjson.dumps(document, option=_CANONICAL)


def may_be_rounded(text: bytes) -> bool:
    """Whether `parse` may have rounded an integer here: canonically, such a float is written as 1.5e+19."""
    return b"+" in text and b"e+" in text


def parse_exactly(value: bytes) -> Any:
    """Read a value that `parse` accepted, for `canonical` only: long integers are kept by their digits."""
    return json.loads(value.decode(), parse_int=_exact_integer)


def _exact_integer(digits: str) -> int | orjson.Fragment:
    return int(digits) if len(digits) <= _SAFE_DIGITS else orjson.Fragment(digits)


def _nesting(value: bytes) -> int:
    if value.count(b"{") + value.count(b"[") <= MAX_NESTING:
        return 0
    depth = deepest = 0
    for byte in _STRING.sub(b"", value):
        if byte in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"}]":
            depth -= 1
    return deepest
