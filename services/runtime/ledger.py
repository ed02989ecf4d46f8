"""The ledger: every identity `(source, id)` that was ever applied, and the hash of what it said.

Judging a batch gives each record its verdict: an event to apply, a duplicate, or a refusal.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

from contracts.envelope import Event, Refused
from contracts.refusals import Reason
from services.runtime.database import Connection
from services.runtime.records import Item
from services.runtime.references import lock_references
from services.runtime.shipping import Shipment
from services.runtime.sql import load_queries

queries = load_queries(__package__)


class Duplicate(Enum):
    """The verdict on a record whose event was applied before."""

    DUPLICATE = "duplicate"


Verdict = Event[Any] | Refused | Duplicate
References = Callable[[Event[Any]], tuple[str | None, str | None]]
Place = tuple[int, int]
"""(partition, offset) of a record."""


class OpenLetter(NamedTuple):
    """A dead letter of an identity, that nobody has settled."""

    id: int
    source: str
    identity: str


class Judgement(NamedTuple):
    """The verdict on each item, in their order, and the open letters of their identities."""

    verdicts: list[Verdict]
    letters: list[OpenLetter]


async def judge(connection: Connection, service: str, items: Sequence[Item], references: References) -> Judgement:
    """Give each item its verdict, and claim in the ledger the identity of each event to apply.

    Rows of sponsors and events that are referred to stay locked against deletion until the transaction ends.
    """
    verdicts: list[Verdict] = [item.decoded for item in items]
    events = {i: verdict for i, verdict in enumerate(verdicts) if isinstance(verdict, Event)}
    for index, refused in (await _with_unknown_references(connection, events, references)).items():
        verdicts[index] = refused
        del events[index]
    first: dict[str, tuple[Any, ...]] = {}
    for index, event in events.items():
        if (identity := event.identity) not in first:
            record = items[index].record
            first[identity] = (
                identity, event.source, event.id, event.content_hash, record.partition, record.offset,
            )  # fmt: skip
    if not first:
        return Judgement(verdicts, [])
    shipment = Shipment(connection, "batch_identity", [*first.values()])
    (claim,) = await shipment.fetch(queries["claim_identities"], service)
    letters = [OpenLetter(*letter) for letter in claim["letters"]]
    taken = {tuple(place) for place in claim["taken"] or ()}
    if not taken and len(first) == len(events):
        return Judgement(verdicts, letters)

    applied = await _applied(shipment)
    for index, event in events.items():
        place, record = first[event.identity][-2:], items[index].record
        if place in taken or place != (record.partition, record.offset):
            verdicts[index] = _again(event, applied[place])
    return Judgement(verdicts, letters)


def _again(event: Event[Any], applied_hash: bytes) -> Verdict:
    """The verdict on an event whose identity was applied, with the content of that hash."""
    if event.content_hash == applied_hash:
        return Duplicate.DUPLICATE
    detail = "id: another event with this source and id, but other content, was applied before; it stands"
    return Refused(Reason.EVENT_ID_CONFLICT, detail, event.source, event.id, event.type)


async def _with_unknown_references(
    connection: Connection, events: Mapping[int, Event[Any]], references: References
) -> dict[int, Refused]:
    named = set(map(references, events.values()))
    missing = await lock_references(
        connection, {sponsor for sponsor, _ in named if sponsor}, {event for _, event in named if event}
    )
    if not missing:
        return {}
    refused: dict[int, Refused] = {}
    for index, (sponsor, event) in zip(events, map(references, events.values()), strict=True):
        if ("sponsor", sponsor) in missing:
            refused[index] = _unknown(events[index], Reason.UNKNOWN_SPONSOR, "sponsor_id", "sponsor")
        elif ("event", event) in missing:
            refused[index] = _unknown(events[index], Reason.UNKNOWN_EVENT, "event_id", "event")
    return refused


def _unknown(event: Event[Any], reason: Reason, field: str, noun: str) -> Refused:
    detail = f"data.{field}: no {noun} has this id; the record is taken up again once there is one"
    return Refused(reason, detail, event.source, event.id, event.type)


async def _applied(shipment: Shipment) -> dict[Place, bytes]:
    """The content that stands applied under each identity shipped, by the place of its record.

    A statement of its own: the one that claims sees neither its own rows nor those that made it wait.
    """
    rows = await shipment.fetch(queries["applied_identities"])
    return {(partition, offset): content_hash for partition, offset, content_hash in rows}
