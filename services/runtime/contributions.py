"""Writing effects: what a batch adds to signals and counters, what it marks stale, and what it tells."""

from collections.abc import Collection, Sequence
from functools import cache

from contracts.lead_signals import LEAD_SIGNALS
from services.runtime.database import Connection
from services.runtime.effects import CounterKey, Derived, Effects, Mark
from services.runtime.shipping import Shipment
from services.runtime.sql import load_queries

queries = load_queries(__package__)


async def write_effects(connection: Connection, service: str, effects: Effects, shard: int) -> set[str]:
    """Add the contributions of `effects` in key order, mark what became stale; return the projections to wake.

    Rows of counters are spread over shards so that no two batches meet; signals are not, for each belongs to the
    one sponsor whose events share a partition.
    """
    stale = {mark.projection for mark in effects.marks}
    if signals := [(*key, n) for key, n in effects.signals.items() if n]:
        await Shipment(connection, "batch_signal", signals).fetch(_into_own_partition("add_signals", service))
        stale.add("lead_scores")
    if counters := [key for key, n in effects.counters.items() if n]:
        await _add_counters(connection, service, counters, effects, shard)
        stale.add("dashboards")
    await add_marks(connection, effects.marks)
    await append_outbox(connection, service, effects.derived)
    return stale


async def _add_counters(
    connection: Connection, service: str, moved: Sequence[CounterKey], effects: Effects, shard: int
) -> None:
    await connection.execute(
        _into_own_partition("add_counters", service),
        shard,
        [event for event, _, _ in moved],
        [metric for _, metric, _ in moved],
        [label for _, _, label in moved],
        [effects.counters[key] for key in moved],
        [effects.first_at.get(key) for key in moved],
    )


@cache
def _into_own_partition(query: str, service: str) -> str:
    """The query for the one partition that `service` may write, of the closed list of intake services."""
    if service not in LEAD_SIGNALS:
        raise ValueError(f"{service} has no partition of contributions")
    return queries[query].replace(":service", service)


async def add_marks(connection: Connection, marks: Collection[Mark]) -> None:
    """Append stale marks. Never deduplicated: one that is being taken right now may already be too old to help."""
    if marks:
        await connection.execute(
            queries["add_marks"],
            [mark.projection for mark in marks],
            [mark.kind for mark in marks],
            [mark.key for mark in marks],
            [mark.other for mark in marks],
        )


async def append_outbox(connection: Connection, service: str, derived: Sequence[Derived]) -> None:
    """Append derived events to the outbox, in their order."""
    if derived:
        await connection.execute(
            queries["append_outbox"],
            service,
            [event.topic for event in derived],
            [event.key for event in derived],
            [event.type for event in derived],
            [event.data for event in derived],
            [event.traceparent for event in derived],
        )
