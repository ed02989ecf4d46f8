"""Writing effects: what a batch adds to signals and counters, what it marks stale, and what it tells."""

from collections.abc import Sequence
from functools import cache

from contracts.lead_signals import LEAD_SIGNALS
from services.runtime.database import Connection
from services.runtime.effects import Derived, Effects
from services.runtime.shipping import Shipment
from services.runtime.sql import load_queries

queries = load_queries(__package__)

_OUTBOX_COLUMNS = ("source", "aggregatetype", "aggregateid", "type", "payload", "traceparent")
"""Of a derived event: where it comes from, and the fields of `Derived`."""


async def write_effects(connection: Connection, service: str, effects: Effects, shard: int) -> set[str]:
    """Add the contributions of `effects` in key order, mark what became stale; return the projections to wake.

    Rows of counters are spread over shards so that no two batches meet; signals are not, for each belongs to the
    one sponsor whose events share a partition. Marks are never deduplicated against those that are there: one that is
    being taken right now may already be too old to help.
    """
    signals = [(*key, n) for key, n in effects.signals.items() if n]
    counters = [key for key, n in effects.counters.items() if n]
    marks = effects.marks
    if signals or counters or marks:
        await Shipment(connection, "batch_signal", signals).fetch(
            _into_own_partitions("add_contributions", service),
            shard,
            [event for event, _, _ in counters],
            [metric for _, metric, _ in counters],
            [label for _, _, label in counters],
            [effects.counters[key] for key in counters],
            [effects.first_at.get(key) for key in counters],
            [mark.projection for mark in marks],
            [mark.kind for mark in marks],
            [mark.key for mark in marks],
            [mark.other for mark in marks],
        )
    await append_outbox(connection, service, effects.derived)
    named = {mark.projection for mark in marks}
    return named.union(["lead_scores"] * bool(signals), ["dashboards"] * bool(counters))


@cache
def _into_own_partitions(query: str, service: str) -> str:
    """The query for those partitions that `service` may write, of the closed list of intake services."""
    if service not in LEAD_SIGNALS:
        raise ValueError(f"{service} has no partition of contributions")
    return queries[query].replace(":service", service)


async def append_outbox(connection: Connection, service: str, derived: Sequence[Derived]) -> None:
    """Append derived events to the outbox, in their order."""
    if derived:
        source = f"/eventos/{service}"
        await connection.copy_records_to_table(
            "outbox", records=[(source, *event) for event in derived], columns=_OUTBOX_COLUMNS
        )
