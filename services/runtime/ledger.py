"""The ledger: every identity `(source, id)` that was ever applied, and the hash of what it said.

Judging a batch gives each record its verdict: an event to apply, a duplicate, or a refusal.
"""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

from contracts.envelope import Event, Refused
from contracts.refusals import Reason
from services.runtime.database import Connection
from services.runtime.records import Item
from services.runtime.sql import load_queries

queries = load_queries(__package__)


class Duplicate(Enum):
    """The verdict on a record whose event was applied before."""

    DUPLICATE = "duplicate"


Verdict = Event[Any] | Refused | Duplicate
References = Callable[[Event[Any]], tuple[str | None, str | None]]
Identity = tuple[str, str]


async def judge(connection: Connection, service: str, items: Sequence[Item], references: References) -> list[Verdict]:
    """Give each item its verdict, in their order, and claim in the ledger the identity of each event to apply.

    Rows of sponsors and events that are referred to stay locked against deletion until the transaction ends.
    """
    verdicts: list[Verdict] = await _with_known_references(connection, items, references)
    first: dict[Identity, int] = {}
    for index, verdict in enumerate(verdicts):
        if isinstance(verdict, Event):
            first.setdefault((verdict.source, verdict.id), index)
    hashes, claimed = await _claim(connection, service, items, verdicts, first)
    return [
        _verdict(verdict, index, first, hashes, claimed) if isinstance(verdict, Event) else verdict
        for index, verdict in enumerate(verdicts)
    ]


def _verdict(
    event: Event[Any], index: int, first: dict[Identity, int], hashes: dict[Identity, bytes], claimed: set[Identity]
) -> Verdict:
    identity = (event.source, event.id)
    if first[identity] == index and identity in claimed:
        return event
    if hashes[identity] == event.content_hash:
        return Duplicate.DUPLICATE
    detail = "id: another event with this source and id, but other content, was applied before; it stands"
    return Refused(Reason.EVENT_ID_CONFLICT, detail, event.source, event.id, event.type)


async def _with_known_references(
    connection: Connection, items: Sequence[Item], references: References
) -> list[Verdict]:
    named = [references(item.decoded) if isinstance(item.decoded, Event) else (None, None) for item in items]
    sponsors = sorted({sponsor for sponsor, _ in named if sponsor})
    events = sorted({event for _, event in named if event})
    rows = await connection.fetch(queries["lock_references"], sponsors, events)
    known = {(row["kind"], row["id"]) for row in rows}
    verdicts: list[Verdict] = []
    for item, (sponsor, event) in zip(items, named, strict=True):
        verdict: Verdict = item.decoded
        if isinstance(verdict, Event):
            if sponsor and ("sponsor", sponsor) not in known:
                verdict = _unknown(verdict, Reason.UNKNOWN_SPONSOR, "sponsor_id", "sponsor")
            elif event and ("event", event) not in known:
                verdict = _unknown(verdict, Reason.UNKNOWN_EVENT, "event_id", "event")
        verdicts.append(verdict)
    return verdicts


def _unknown(event: Event[Any], reason: Reason, field: str, noun: str) -> Refused:
    detail = f"data.{field}: no {noun} has this id; the record is taken up again once there is one"
    return Refused(reason, detail, event.source, event.id, event.type)


async def _claim(
    connection: Connection, service: str, items: Sequence[Item], verdicts: Sequence[Verdict], first: dict[Identity, int]
) -> tuple[dict[Identity, bytes], set[Identity]]:
    """Insert the identities that are new, in key order; return all their hashes as they stand, and the new ones.

    Two statements: one alone would see neither its own rows nor those that made it wait.
    """
    if not first:
        return {}, set()
    identities = sorted(first)
    events = {identity: verdicts[index] for identity, index in first.items()}
    hashes = {identity: event.content_hash for identity, event in events.items() if isinstance(event, Event)}
    records = [items[first[identity]].record for identity in identities]
    rows = await connection.fetch(
        queries["claim_identities"],
        service,
        [source for source, _ in identities],
        [id_ for _, id_ in identities],
        [hashes[identity] for identity in identities],
        [record.partition for record in records],
        [record.offset for record in records],
    )
    at = {(record.partition, record.offset): identity for record, identity in zip(records, identities, strict=True)}
    claimed = {at[row["partition"], row["record_offset"]] for row in rows}
    before = [identity for identity in identities if identity not in claimed]
    if before:
        rows = await connection.fetch(
            queries["applied_identities"], [source for source, _ in before], [id_ for _, id_ in before]
        )
        stored = {(row["source"], row["id"]): row["content_hash"] for row in rows}
        hashes.update({identity: stored[identity] for identity in before})
    return hashes, claimed
