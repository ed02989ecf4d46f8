"""Loads rows that upstream systems own (users, events, sponsors, …) from the form of a conformance set's core.json."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from services.operator.output import Failure, note
from services.runtime.database import Connection
from services.runtime.sql import load_queries

QUERIES = load_queries(__package__)

_REQUIRED = object()


@dataclass(frozen=True, slots=True)
class Section:
    """A list of core.json: the queries that load it, and its members with what an absent one means.

    So does one that is null, save where the column tells null from its default: those are named in `nulls`.
    """

    name: str
    queries: tuple[str, ...]
    members: Mapping[str, Any]
    nulls: frozenset[str] = frozenset()


def _required(*names: str) -> dict[str, Any]:
    return dict.fromkeys(names, _REQUIRED)


def _nullable(*names: str) -> dict[str, Any]:
    return dict.fromkeys(names)


_SECTIONS = (
    Section(
        "events",
        ("load_events",),
        {
            **_required("id", "title"),
            **_nullable("organizer_id", "event_type", "industry", "location", "capacity", "starts_at", "ends_at"),
            **{"values": [], "currency": "USD", "status": "draft", "embedding": None},
        },
    ),
    Section(
        "sponsors",
        ("load_sponsors", "load_sponsor_embeddings"),
        {
            **_required("id", "company_name", "industry"),
            **{"industries_of_interest": [], "event_types": [], "geographic_preferences": [], "values": []},
            **_nullable("created_by", "website", "min_budget", "max_budget", "average_roi", "renewal_rate"),
            **_nullable("primary_contact_name", "primary_contact_email", "primary_contact_phone", "embedding"),
            **{"currency": "USD", "total_sponsorships": 0},
        },
        nulls=frozenset({"currency"}),
    ),
    Section(
        "proposals",
        ("load_proposals",),
        {
            **_required("id", "event_id", "sponsor_id"),
            **_nullable("package_level", "proposed_amount", "sent_at"),
            **{"currency": "USD", "content": {}, "status": "draft"},
            "created_at": datetime.now(UTC).isoformat(),
        },
    ),
    Section(
        "campaigns",
        ("load_campaigns",),
        {**_required("id", "event_id", "name"), "channels": [], "content": {}, "status": "draft"},
    ),
    Section(
        "templates",
        ("load_templates",),
        {
            **_required("id", "subject", "template_type"),
            **_nullable("campaign_id", "event_id"),
            **{"body": "", "status": "draft"},
        },
    ),
    Section(
        "sequences",
        ("load_sequences",),
        {**_required("id", "sponsor_id", "sequence_type"), "proposal_id": None, "status": "active", "emails": []},
    ),
)


async def load_core(connection: Connection, core: Mapping[str, Any]) -> dict[str, int]:
    """Insert the rows of `core` in one transaction; returns how many of each kind.

    A member that is absent, or null, takes its column's default. What no column takes is left out, and said so. Raises
    Failure for a row without a member that it must have.
    """
    known = {"users", *(section.name for section in _SECTIONS)}
    for name in sorted(core.keys() - known):
        note(f"the core rows have a list {name!r}, which is not loaded; known are {', '.join(sorted(known))}")
    async with connection.transaction():
        await connection.execute(QUERIES["load_users"], core.get("users") or [])
        for section in _SECTIONS:
            rows = list(_complete(section, core.get(section.name) or []))
            for query in section.queries:
                await connection.execute(QUERIES[query], rows)
    return {name: len(core[name] or []) for name in known & core.keys()}


def _complete(section: Section, rows: list[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    unknown = {name for row in rows for name in row} - section.members.keys()
    if unknown:
        note(f"the core rows of {section.name} have members that are not loaded: {', '.join(sorted(unknown))}")
    for number, row in enumerate(rows):
        given = {name: value for name, value in row.items() if value is not None or name in section.nulls}
        complete = {**section.members, **given}
        if missing := [name for name, value in complete.items() if value is _REQUIRED]:
            raise Failure(f"the core row {section.name}[{number}] lacks {missing[0]!r}")
        yield complete
