"""The rows of email_engagement: one function for each query, inside the transaction of its connection."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from contracts.envelope import Event
from services.email_engagement.domain import Activity, MessageState, SubjectKey
from services.runtime.database import Connection
from services.runtime.shipping import Shipment
from services.runtime.sql import load_queries

QUERIES = load_queries(__package__)

_FACT_COLUMNS = (
    "message_id", "source", "id", "type", "occurred_at",
    "sponsor_id", "event_id", "campaign_id", "template_id", "sequence_id",
    "machine", "bounce_kind", "recipient_hash", "url",
)  # fmt: skip


async def insert_facts(connection: Connection, events: Sequence[Event[Any]]) -> None:
    """Keep every fact with its identity; they are new, as the ledger says."""
    await connection.copy_records_to_table("email_events", records=map(_fact, events), columns=_FACT_COLUMNS)


def _fact(event: Event[Any]) -> tuple[Any, ...]:
    data = event.data
    return (
        data.message_id, event.source, event.id, event.name, event.time,
        data.sponsor_id, data.event_id, data.campaign_id, data.template_id, data.sequence_id,
        getattr(data, "machine", False), getattr(data, "bounce_kind", None), data.recipient_hash, data.url,
    )  # fmt: skip


async def add_messages(connection: Connection, states: Sequence[MessageState]) -> set[str]:
    """Insert the messages that are not known yet and return their ids; known ones stay as they are."""
    return {row[0] for row in await Shipment(connection, "email_messages", states).fetch(QUERIES["add_messages"])}


async def lock_messages(connection: Connection, message_ids: Sequence[str]) -> dict[str, MessageState]:
    """Lock known messages until the transaction ends; return their states by id."""
    if not message_ids:
        return {}
    rows = await connection.fetch(QUERIES["lock_messages"], message_ids)
    return {row[0]: MessageState._make(row) for row in rows}


async def update_messages(connection: Connection, states: Sequence[MessageState]) -> None:
    """Write the new states of messages that are locked."""
    if states:
        await Shipment(connection, "email_messages", states).fetch(QUERIES["update_messages"])


async def add_subject_counts(connection: Connection, counts: Mapping[SubjectKey, int], shard: int) -> None:
    """Add differences to the counters of campaigns, templates and sequences, in `shard`."""
    if moved := sorted(key for key, n in counts.items() if n):
        subjects, ids, metrics = zip(*moved, strict=True)
        differences = [counts[key] for key in moved]
        await connection.execute(QUERIES["add_subject_counts"], subjects, ids, metrics, differences, shard)


async def delete_activities(connection: Connection, keys: Sequence[tuple[str, datetime]]) -> None:
    """Delete activities by (id, created_at)."""
    if keys:
        await connection.execute(QUERIES["delete_activities"], *zip(*keys, strict=True))


async def write_activities(connection: Connection, activities: Sequence[Activity]) -> None:
    """Insert activities, whose sponsors and events are locked, or bring those that are there to what they are now."""
    if activities:
        await Shipment(connection, "batch_activity", activities).fetch(QUERIES["write_activities"])


async def ensure_month(connection: Connection, month: date) -> None:
    """Make the partition of agent_sales_activities for `month`, its first day, unless it is there."""
    await connection.execute(QUERIES["ensure_month"], month)


async def keep_months(connection: Connection, today: date) -> None:
    """Make what is missing of the months from two years before `today` to the end of its next year."""
    await connection.execute(QUERIES["keep_months"], today)


async def project_campaigns(connection: Connection, ids: Sequence[str]) -> None:
    """Bring campaigns to what was counted; write only what differs."""
    await connection.execute(QUERIES["project_campaigns"], ids)


async def project_templates(connection: Connection, ids: Sequence[str]) -> None:
    """Bring templates to what was counted; write only what differs."""
    await connection.execute(QUERIES["project_templates"], ids)


async def project_sequences(connection: Connection, ids: Sequence[str]) -> None:
    """Bring sequences, and their status, to what was counted; write only what differs."""
    await connection.execute(QUERIES["project_sequences"], ids)
