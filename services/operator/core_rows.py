"""Loads rows that upstream systems own (users, events, sponsors, …) from the form of a conformance set's core.json."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.operator.output import Failure
from services.runtime.database import Connection
from services.runtime.sql import load_queries

QUERIES = load_queries(__package__)

_REQUIRED = object()


@dataclass(frozen=True, slots=True)
class Section:
    """A list of core.json: the queries that load it, and its members with what an absent one means."""

    name: str
    queries: tuple[str, ...]
    members: Mapping[str, Any]


_SECTIONS = (
    Section(
        "events",
        ("load_events",),
        {
            **dict.fromkeys(("id", "title"), _REQUIRED),
            **dict.fromkeys(("organizer_id", "event_type", "industry", "location", "capacity", "embedding")),
            "values": [],
            "currency": "USD",
        },
    ),
    Section(
        "sponsors",
        ("load_sponsors", "load_sponsor_embeddings"),
        {
            **dict.fromkeys(("id", "company_name", "industry"), _REQUIRED),
            **dict.fromkeys(("industries_of_interest", "event_types", "geographic_preferences", "values"), []),
            **dict.fromkeys(("created_by", "min_budget", "max_budget", "average_roi", "renewal_rate", "embedding")),
            "currency": "USD",
            "total_sponsorships": 0,
        },
    ),
    Section(
        "proposals",
        ("load_proposals",),
        {
            **dict.fromkeys(("id", "event_id", "sponsor_id", "package_level", "proposed_amount", "created_at"), _REQUIRED),
            "currency": "USD",
            "status": "sent",
        },
    ),
    Section(
        "campaigns", ("load_campaigns",), {**dict.fromkeys(("id", "name"), _REQUIRED), "event_id": None}
    ),
    Section(
        "templates",
        ("load_templates",),
        {
            **dict.fromkeys(("id", "subject"), _REQUIRED),
            **dict.fromkeys(("campaign_id", "event_id")),
            "template_type": "invitation",
        },
    ),
    Section(
        "sequences",
        ("load_sequences",),
        {
            **dict.fromkeys(("id", "sponsor_id"), _REQUIRED),
            "proposal_id": None,
            "sequence_type": "post_proposal",
            "status": "active",
        },
    ),
)


async def load_core(connection: Connection, core: Mapping[str, Any]) -> dict[str, int]:
    """Insert the rows of `core` in one transaction; returns how many of each kind.

    A member that may be absent takes its default. Raises Failure for one that is missing or unknown, so that nothing
    of a file is silently dropped.
    """
    unknown = core.keys() - {"users"} - {section.name for section in _SECTIONS}
    if unknown:
        raise Failure(f"the core rows have an unknown list {min(unknown)!r}")
    async with connection.transaction():
        await connection.execute(QUERIES["load_users"], core.get("users", []))
        for section in _SECTIONS:
            rows = [_complete(section, number, row) for number, row in enumerate(core.get(section.name, []))]
            for query in section.queries:
                await connection.execute(QUERIES[query], rows)
    return {name: len(rows) for name, rows in core.items()}


def _complete(section: Section, number: int, row: Mapping[str, Any]) -> dict[str, Any]:
    where = f"{section.name}[{number}]"
    if unknown := row.keys() - section.members.keys():
        raise Failure(f"the core row {where} has an unknown member {min(unknown)!r}")
    complete = {**section.members, **row}
    if missing := [name for name, value in complete.items() if value is _REQUIRED]:
        raise Failure(f"the core row {where} lacks {missing[0]!r}")
    return complete
