"""One function per named query of event_dashboards, in the transaction of the connection it is given."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

from services.event_dashboards.domain import Dashboard, EventFacts, Milestone
from services.runtime.database import Connection
from services.runtime.sql import load_queries

QUERIES = load_queries(__package__)

LATEST_SNAPSHOTS = 10
"""How many snapshots a dashboard's own row keeps; dashboard_metrics_snapshots keeps them all."""


async def lock_dashboards(connection: Connection, event_ids: Sequence[str]) -> dict[str, Dashboard]:
    """Lock the rows that exist, until the transaction ends, and return them by event."""
    rows = await connection.fetch(QUERIES["lock_dashboards"], event_ids)
    return {row["event_id"]: Dashboard(**row) for row in rows}


async def read_facts(connection: Connection, event_ids: Sequence[str]) -> list[EventFacts]:
    """Read what is known of each event that exists, in the order of their ids."""
    return [
        EventFacts(
            event_id=row["event_id"],
            organizer_id=row["organizer_id"],
            currency=row["currency"],
            capacity=row["capacity"],
            counters=dict(zip(zip(row["metrics"], row["labels"], strict=True), row["counts"], strict=True)),
            first_view_at=row["first_view_at"],
            first_sale_at=row["first_sale_at"],
        )
        for row in await connection.fetch(QUERIES["read_facts"], event_ids)
    ]


async def write_dashboards(connection: Connection, dashboards: Sequence[Dashboard], now: datetime) -> None:
    """Insert the dashboards, or overwrite the rows of their events."""
    rows = [{"id": dashboard.id, **asdict(dashboard)} for dashboard in dashboards]
    await connection.execute(QUERIES["write_dashboards"], rows, now)


async def remove_dashboards(connection: Connection, event_ids: Sequence[str]) -> None:
    """Remove the rows of these events; their snapshots stay."""
    await connection.execute(QUERIES["remove_dashboards"], event_ids)


async def claim_milestones(
    connection: Connection, reached: Mapping[str, Sequence[Milestone]], now: datetime
) -> list[tuple[str, Milestone]]:
    """Claim what each event has reached, and return, in that order, the pairs that nobody has told yet."""
    pairs = [(event_id, milestone) for event_id, milestones in reached.items() for milestone in milestones]
    rows = await connection.fetch(
        QUERIES["claim_milestones"], [event_id for event_id, _ in pairs], [it for _, it in pairs], now
    )
    claimed = {tuple(row) for row in rows}
    return [pair for pair in pairs if pair in claimed]


async def find_owing(connection: Connection, now: datetime, limit: int, after: str) -> list[str]:
    """Return at most `limit` events, ids above `after`, whose dashboards owe a snapshot at `now`."""
    return [row["event_id"] for row in await connection.fetch(QUERIES["find_owing"], now, limit, after)]


async def keep_snapshots(connection: Connection, event_ids: Sequence[str], now: datetime) -> None:
    """Keep the figures of the hour and the day in which these dashboards last changed, if over at `now`."""
    await connection.execute(QUERIES["keep_snapshots"], event_ids, now, LATEST_SNAPSHOTS)
