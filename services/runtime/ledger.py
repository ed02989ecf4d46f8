"""The ledger: every identity `(source, id)` that was ever applied, and the hash of what it said.

Judging a batch gives each record its verdict: an event to apply, a duplicate, or a refusal.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

from contracts.envelope import Event, Refused
from contracts.refusals import Reason
from services.runtime.database import Connection, fetch_one
from services.runtime.records import Item
from services.runtime.sql import load_queries

queries = load_queries(__package__)


class Duplicate(Enum):
    """The verdict on a record whose event was applied before."""

    DUPLICATE = "duplicate"


Verdict = Event[Any] | Refused | Duplicate
References = Callable[[Event[Any]], tuple[str | None, str | None]]
Place = tuple[int, int]
"""(partition, offset) of a record."""

_STAGED = ("identity", "source", "id", "content_hash", "partition", "record_offset")


async def judge(connection: Connection, service: str, items: Sequence[Item], references: References) -> list[Verdict]:
    """Give each item its verdict, in their order, and claim in the ledger the identity of each event to apply.

    Rows of sponsors and events that are referred to stay locked against deletion until the transaction ends. The
    batch's identities stay staged in batch_identities until then.
    """
    verdicts: list[Verdict] = [item.decoded for item in items]
    events = {i: verdict for i, verdict in enumerate(verdicts) if isinstance(verdict, Event)}
    for index, refused in (await _with_unknown_references(connection, events, references)).items():
        verdicts[index] = refused
        del events[index]
    identities = {index: event.identity for index, event in events.items()}
    first: dict[str, int] = {}
    for index, identity in identities.items():
        first.setdefault(identity, index)
    places = {
        identity: (items[index].record.partition, items[index].record.offset) for identity, index in first.items()
    }
    claimed = await _claim(
        connection, service, [(identity, events[i], *places[identity]) for identity, i in first.items()]
    )
    if len(claimed) == len(events):
        return verdicts

    applied = await _applied(connection)
    for index, identity in identities.items():
        place = places[identity]
        if index != first[identity] or place not in claimed:
            verdicts[index] = _again(events[index], applied[place])
    return verdicts


def _again(event: Event[Any], applied_hash: bytes) -> Verdict:
    """The verdict on an event whose identity was applied, with the content of that hash."""
    if event.content_hash == applied_hash:
        return Duplicate.DUPLICATE
    detail = "id: another event with this source and id, but other content, was applied before; it stands"
    return Refused(Reason.EVENT_ID_CONFLICT, detail, event.source, event.id, event.type)


async def _with_unknown_references(
    connection: Connection, events: Mapping[int, Event[Any]], references: References
) -> dict[int, Refused]:
    named = {index: references(event) for index, event in events.items()}
    sponsor_ids = {sponsor for sponsor, _ in named.values() if sponsor}
    event_ids = {event for _, event in named.values() if event}
    rows = await connection.fetch(queries["lock_references"], sorted(sponsor_ids), sorted(event_ids))
    if len(rows) == len(sponsor_ids) + len(event_ids):
        return {}
    known = {(kind, id_) for kind, id_ in rows}
    refused: dict[int, Refused] = {}
    for index, (sponsor, event) in named.items():
        if sponsor and ("sponsor", sponsor) not in known:
            refused[index] = _unknown(events[index], Reason.UNKNOWN_SPONSOR, "sponsor_id", "sponsor")
        elif event and ("event", event) not in known:
            refused[index] = _unknown(events[index], Reason.UNKNOWN_EVENT, "event_id", "event")
    return refused


def _unknown(event: Event[Any], reason: Reason, field: str, noun: str) -> Refused:
    detail = f"data.{field}: no {noun} has this id; the record is taken up again once there is one"
    return Refused(reason, detail, event.source, event.id, event.type)


async def _claim(
    connection: Connection, service: str, staged: Sequence[tuple[str, Event[Any], int, int]]
) -> set[Place]:
    """Stage these identities, claim those that are new, in key order; return the places of their records."""
    await connection.execute(queries["create_batch_identities"])
    if not staged:
        return set()
    rows = [
        (identity, event.source, event.id, event.content_hash, partition, offset)
        for identity, event, partition, offset in staged
    ]
    await connection.copy_records_to_table("batch_identities", records=rows, columns=_STAGED)
    partitions, offsets = await fetch_one(connection, queries["claim_identities"], service)
    return set(zip(partitions, offsets, strict=True))


async def _applied(connection: Connection) -> dict[Place, bytes]:
    """The content that stands applied under each staged identity, by the place where that was staged.

    A statement of its own: the one that claims sees neither its own rows nor those that made it wait.
    """
    rows = await connection.fetch(queries["applied_identities"])
    return {(partition, offset): content_hash for partition, offset, content_hash in rows}
