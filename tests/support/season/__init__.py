"""A season of events, made from a seed: records over three topics, as awkward as real ones, and their core rows."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from random import Random
from typing import Any

from tests.support.season.pen import AS_OF, Pen, Record
from tests.support.season.spoiled import spoil
from tests.support.season.stories import STORIES
from tests.support.season.world import World

__all__ = ["AS_OF", "Record", "Season", "season", "shuffled"]


@dataclass(frozen=True)
class Season:
    """What upstream systems own, what is published in this order, and the day that scores are computed for."""

    seed: int
    core: dict[str, Any]
    records: list[Record]
    as_of: date


def season(seed: int, count: int) -> Season:
    """Make `count` records. The same seed and count make the same season, byte for byte."""
    rng = Random(seed)
    world = World(rng, count)
    pen = Pen(rng)
    tellers, weights = zip(*STORIES, strict=True)
    while len(pen.written) < count:
        if pen.chance(0.05):
            spoil(pen, world)
        rng.choices(tellers, weights)[0](pen, world)
    return Season(seed, world.core, pen.in_order_of_arrival(count), AS_OF)


def shuffled(records: Sequence[Record], seed: int) -> list[Record]:
    """Shuffle records, save that those of one identity stay in their order: the state must not change."""
    places = list(range(len(records)))
    Random(seed).shuffle(places)
    identities = [_identity(record, place) for place, record in enumerate(records)]
    waiting: dict[object, list[int]] = {}
    for place in range(len(records) - 1, -1, -1):
        waiting.setdefault(identities[place], []).append(place)
    return [records[waiting[identities[place]].pop()] for place in places]


def _identity(record: Record, place: int) -> object:
    """What (source, id) a record carries; one that carries none has only its place."""
    headers = record.get("headers") or {}
    if "ce_id" in headers:
        return headers.get("ce_source"), headers["ce_id"]
    try:
        event = json.loads(record["value"])
        return str(event["source"]), str(event["id"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return place
