"""One function per named query of lead_scoring; each takes the connection whose transaction it belongs to."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import orjson

from contracts.names import name_uuid
from services.lead_scoring.domain import Count, Lead, Pair, PairFacts, Standing
from services.lead_scoring.fit import Event, Proposal, Sponsor, exact_similarity_points, similarity_points
from services.runtime.database import Connection, fetch_one, transaction
from services.runtime.shipping import Shipment
from services.runtime.sql import load_queries

QUERIES = load_queries(__package__)

Counts = dict[str, dict[str | None, list[Count]]]
"""By sponsor and event; None: about no event."""

HELD = "its row is held by another transaction"
"""Why a sponsor is parked whose engagement could not be written."""


async def hold_day(connection: Connection) -> date | None:
    """Return the UTC day at whose end scores stand, which does not move before this transaction ends."""
    day: date | None = await connection.fetchval(QUERIES["hold_day"])
    return day


class Turn(NamedTuple):
    """The day as of which leads are scored, and the version of the rules; None where there never was one."""

    day: date | None
    version: int | None


async def read_turn(connection: Connection) -> Turn:
    """Read the UTC day at whose end scores stand, and the version of the rules that they follow."""
    return Turn(*await fetch_one(connection, QUERIES["read_turn"]))


async def read_today(connection: Connection) -> date:
    """Read the UTC day by the clock of Postgres, which all replicas share."""
    today: date = await connection.fetchval(QUERIES["read_today"])
    return today


async def move_day(connection: Connection, day: date, *, fixed: bool) -> bool:
    """Move the day, once no transaction computes with it; say whether it moved. Back only when `fixed`."""
    await connection.execute(QUERIES["take_day"])
    return await connection.fetchval(QUERIES["move_day"], day, fixed) is not None


async def adopt_rules(connection: Connection, version: int) -> bool:
    """Have scores follow the rules of `version`; say whether they followed none or older ones."""
    return await connection.fetchval(QUERIES["adopt_rules"], version) is not None


async def refresh_performance(connection: Connection, unless_younger: timedelta, most: float) -> bool:
    """Refresh the performance summary; say whether it was due. Raises TimeoutError after `most` seconds."""
    async with transaction(connection):
        await connection.execute(QUERIES["take_time"])
        done: bool = await connection.fetchval(QUERIES["refresh_performance"], unless_younger, timeout=most)
    return done


async def mark_sponsors(connection: Connection) -> None:
    """Mark every sponsor with any count."""
    await connection.execute(QUERIES["mark_sponsors"])


async def mark_pairs(connection: Connection, events: Collection[str]) -> None:
    """Mark every pair of these events with any count."""
    await connection.execute(QUERIES["mark_pairs"], events)


async def read_counts(connection: Connection, sponsors: Collection[str]) -> Counts:
    """Read all counts of these sponsors."""
    counts: Counts = {sponsor: {} for sponsor in sponsors}
    for row in await connection.fetch(QUERIES["read_counts"], sponsors):
        counts[row[0]].setdefault(row[1], []).append(row[2:])
    return counts


async def read_sponsors(connection: Connection, sponsors: Collection[str]) -> dict[str, Sponsor]:
    """Read the sponsors that exist."""
    return {row["id"]: _sponsor(row) for row in await connection.fetch(QUERIES["read_sponsors"], sponsors)}


def _sponsor(row: asyncpg.Record) -> Sponsor:
    return Sponsor(
        industry=row["industry"],
        industries_of_interest=_set(row["industries_of_interest"]),
        event_types=_set(row["event_types"]),
        geographic_preferences=_set(row["geographic_preferences"]),
        values=_set(row["values"]),
        min_budget=row["min_budget"],
        max_budget=row["max_budget"],
        currency=row["currency"],
        total_sponsorships=row["total_sponsorships"],
        renewal_rate=row["renewal_rate"],
        average_roi=row["average_roi"],
    )


def _set(texts: Iterable[str] | None) -> frozenset[str]:
    return frozenset(texts or ())


async def read_pairs(
    connection: Connection, pairs: Collection[Pair], sponsors: Collection[str], most: int
) -> dict[Pair, PairFacts]:
    """Read these pairs, and all pairs of these sponsors that have a count or a row, by (sponsor, event) in order.

    Similarity is in points, `most` at best.
    """
    rows = await connection.fetch(QUERIES["read_pairs"], *_columns(pairs), sponsors)
    events = {row["event_id"]: _event(row) for row in rows if row["event_exists"]}
    cosines = {(row[0], row[1]): row["cosine"] for row in rows if row["cosine"] is not None}
    similar = await _similarities(connection, cosines, most)
    facts = {
        (row[0], row[1]): PairFacts(
            event=events.get(row["event_id"]),
            proposal=Proposal(row["proposed_amount"], row["currency"]) if row["is_proposed"] else None,
            similarity=similar.get((row[0], row[1])),
            standing=None if row["score"] is None else Standing(row["score"], row["priority"]),
        )
        for row in rows
    }
    return dict(sorted(facts.items()))


def _event(row: asyncpg.Record) -> Event:
    return Event(row["industry"], row["event_type"], row["location"], _set(row["values"]))


async def _similarities(connection: Connection, cosines: Mapping[Pair, float], most: int) -> dict[Pair, int]:
    """The points of similarity of these pairs; the embeddings themselves decide what is too close to tell."""
    points = {pair: similarity_points(cosine, most) for pair, cosine in cosines.items()}
    if close := [pair for pair, rounded in points.items() if rounded is None]:
        rows = await connection.fetch(QUERIES["read_embeddings"], *_columns(close))
        points |= {(row[0], row[1]): exact_similarity_points(row[2], row[3], most) for row in rows}
    return {pair: rounded for pair, rounded in points.items() if rounded is not None}


async def insert_leads(connection: Connection, leads: Mapping[Pair, Lead]) -> set[Pair]:
    """Insert the rows of these pairs, which have none; return those that have one now.

    A row's id follows from its pair: one made again is the same.
    """
    rows = [(name_uuid(UUID(pair[0]).bytes, pair[1]), *_row(pair, lead)) for pair, lead in leads.items()]
    return await _write(connection, QUERIES["insert_leads"], rows)


async def update_leads(connection: Connection, leads: Mapping[Pair, Lead]) -> set[Pair]:
    """Bring the rows of these pairs to what they are now; return those that differed, and are still there."""
    return await _write(
        connection, QUERIES["update_leads"], [(None, *_row(pair, lead)) for pair, lead in leads.items()]
    )


async def _write(connection: Connection, query: str, rows: Sequence[tuple[Any, ...]]) -> set[Pair]:
    if not rows:
        return set()
    return {(row[0], row[1]) for row in await Shipment(connection, "batch_lead", rows).fetch(query)}


def _row(pair: Pair, lead: Lead) -> tuple[Any, ...]:
    probability = str(lead.conversion_probability)
    return *pair, lead.score, lead.priority, probability, _json(lead.recommended_actions), _json(lead.insights)


async def delete_leads(connection: Connection, pairs: Collection[Pair]) -> None:
    """Delete the rows of these pairs."""
    if pairs:
        await connection.execute(QUERIES["delete_leads"], *_columns(pairs))


async def update_engagement(connection: Connection, points: Mapping[str, int]) -> None:
    """Write the engagement of these sponsors where it differs, and the row is to be had.

    A transaction of the CRM's that has changed a sponsor may take as long as it likes: that sponsor is parked.
    """
    await connection.execute(QUERIES["update_engagement"], points.keys(), points.values(), HELD)


def _columns(pairs: Collection[Pair]) -> tuple[list[str], list[str]]:
    return [sponsor for sponsor, _ in pairs], [event for _, event in pairs]


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
