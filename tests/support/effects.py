"""How many effects a state has, so that those that are missing and those that are there twice can be counted."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from services.operator.state import IDENTITIES

_COMPUTED = ("lead_scores", "sponsors")
"""Scores are no counts: one event more does not move them by one."""


def effects(state: Mapping[str, Any]) -> Counter[tuple[str, ...]]:
    """Every count of the state by its place; a row without counts is one effect."""
    counted: Counter[tuple[str, ...]] = Counter()
    for section, identity in IDENTITIES.items():
        if section not in _COMPUTED:
            for row in state[section]:
                place = (section, *(str(row[name]) for name in identity))
                counts = dict(_counts(row, ()))
                for path, count in counts.items():
                    counted[(*place, *path)] += count
                counted[place] += not counts
    return counted


def difference(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> tuple[int, int]:
    """How many effects were lost, and how many are there though they should not be."""
    wanted, found = effects(expected), effects(actual)
    return (wanted - found).total(), (found - wanted).total()


def _counts(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _counts(member, (*path, name))
    elif type(value) is int:
        yield path, value
