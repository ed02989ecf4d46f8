"""The state that the services have reached, in the form of a conformance set's expected.json."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts.topics import LEAD_SCORES
from services.operator.kafka_clients import Reader
from services.operator.output import Failure
from services.runtime.database import Connection
from services.runtime.settings import Settings
from services.runtime.sql import load_queries

QUERIES = load_queries(__package__)

IDENTITIES = {
    "lead_scores": ("sponsor_id", "event_id"),
    "sponsors": ("id",),
    "dashboards": ("event_id",),
    "campaigns": ("id",),
    "templates": ("id",),
    "sequences": ("id",),
    "proposals": ("id",),
    "sales_activities": ("message_id",),
    "sponsorships": ("amount", "currency", "event_id", "package_level", "sponsor_id"),
    "dead_letters": ("topic", "reason"),
}
"""Each list of the state, and what its rows are sorted by."""


async def dump_state(connection: Connection, reader: Reader, settings: Settings) -> dict[str, Any]:
    """Read the whole state: tables in one snapshot, then the last word per key of the lead-scores topic."""
    state: dict[str, Any] = {}
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        state["as_of"] = await connection.fetchval(QUERIES["state_as_of"])
        for name in IDENTITIES:
            state[name] = _sorted(name, await connection.fetch(QUERIES[f"state_{name}"]))
        state["duplicates"] = await connection.fetchval(QUERIES["state_duplicates"])
    state["lead_score_events"] = await last_lead_scores(reader, settings)
    return dict(sorted(state.items()))


def _sorted(name: str, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    plain = [{key: _plain(row[key]) for key in sorted(row.keys())} for row in rows]
    return sorted(plain, key=lambda row: tuple(str(row[part]) for part in IDENTITIES[name]))


def _plain(value: Any) -> Any:
    """Write times in UTC with six decimals; everything else is plain already."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return value


async def last_lead_scores(reader: Reader, settings: Settings) -> list[dict[str, Any]]:
    """The data of the last lead_score.changed of each pair; a pair whose last word is a tombstone is left out."""
    last = await last_per_key(reader, LEAD_SCORES.full_name(settings.topic_prefix))
    told = [orjson.loads(value)["data"] for value in last.values() if value is not None]
    return sorted(told, key=lambda data: (data["sponsor_id"], data["event_id"]))


async def last_per_key(reader: Reader, topic: str) -> dict[bytes | None, bytes | None]:
    """Read a topic from its beginning to its present end: the last value of each key. Replaces the assignment."""
    ends = {tp: end for tp, end in (await reader.ends([topic])).items() if end > 0}
    if not ends:
        return {}
    consumer = reader.consumer
    consumer.assign(list(ends))
    await consumer.seek_to_beginning(*ends)
    last: dict[bytes | None, bytes | None] = {}
    while open_ := [tp for tp, end in ends.items() if await _position(consumer, tp) < end]:
        batches = await consumer.getmany(*open_, timeout_ms=10_000)
        if not batches and all([await _position(consumer, tp) < ends[tp] for tp in open_]):
            raise Failure(f"Kafka stopped answering before the end of {topic}")
        for records in batches.values():
            last.update((record.key, record.value) for record in records)
    return last


async def _position(consumer: AIOKafkaConsumer, tp: TopicPartition) -> int:
    position: int = await consumer.position(tp)
    return position
