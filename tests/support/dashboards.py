"""What dashboards are made of, inserted as intake would; one round of the view; what came of it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import orjson

from services.event_dashboards.app import Dashboards
from services.runtime.database import Connection, fetch_one
from services.runtime.effects import Derived
from services.runtime.projection import Key

NOON = datetime(2026, 9, 9, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


async def count(connection: Connection, event_id: str, metric: str, n: int, *, label: str = "", shard: int = 0) -> None:
    """Add `n` to a counter of the event, as an intake service would."""
    service = {"activities": "sponsor_activity", "sent": "email_engagement"}.get(metric, "ticket_sales")
    await connection.execute(
        "INSERT INTO event_counters AS c (service, event_id, metric, label, shard, n, first_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (event_id, metric, label, shard, service)"
        " DO UPDATE SET n = c.n + excluded.n, first_at = least(c.first_at, excluded.first_at)",
        service,
        event_id,
        metric,
        label,
        shard,
        n,
        NOON - timedelta(hours=shard) if metric == "views" else None,
    )


async def view_pages(connection: Connection, event_id: str, n: int, *, shard: int = 0) -> None:
    """Let `n` pages of the event be viewed."""
    await count(connection, event_id, "ticketing_facts", n, shard=shard)
    await count(connection, event_id, "views", n, shard=shard)


async def sell(connection: Connection, event_id: str, order_id: str, quantity: int, cents: int) -> None:
    """Complete an order in US dollars; a negative quantity takes an earlier one of the same size back, whole."""
    sign = 1 if quantity > 0 else -1
    await count(connection, event_id, "ticketing_facts", 1)
    await count(connection, event_id, "orders", sign)
    await count(connection, event_id, "tickets", quantity)
    await count(connection, event_id, "net_revenue", sign * cents, label="USD")
    if sign > 0:
        await count(connection, event_id, "completed_orders", 1, label="USD")
        await count(connection, event_id, "gross_revenue", cents, label="USD")
    await connection.execute(
        "INSERT INTO ticket_orders (event_id, order_id, completed_at, net_quantity) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (event_id, order_id) DO UPDATE SET net_quantity = excluded.net_quantity",
        event_id,
        order_id,
        NOON + MINUTE * quantity,
        max(quantity, 0),
    )


async def project(service: Connection, now: datetime, *event_ids: str) -> list[Derived]:
    """Take one round over these events at `now`."""
    async with service.transaction():
        return await Dashboards(lambda: now).project(service, [Key("event", event_id) for event_id in event_ids])


async def row_of(service: Connection, event_id: str) -> asyncpg.Record:
    """The dashboard of the event, which must be there."""
    return await fetch_one(service, "SELECT * FROM event_dashboards WHERE event_id = $1", event_id)


async def snapshots_of(service: Connection, event_id: str) -> list[tuple[str, datetime, int]]:
    """All snapshots of the event as (type, bucket, views), in the order of their buckets."""
    return [
        (row["snapshot_type"], row["bucket"], row["metrics_snapshot"]["total_views"])
        for row in await service.fetch(
            "SELECT * FROM dashboard_metrics_snapshots WHERE event_id = $1 ORDER BY bucket, snapshot_type",
            event_id,
        )
    ]


def told(derived: Sequence[Derived]) -> list[tuple[str, Any]]:
    """What is told, as (short type, data)."""
    return [
        (
            str(it.type).removeprefix("eventos.dashboard.").removesuffix(".v1"),
            orjson.loads(it.data or b"null"),
        )
        for it in derived
    ]
