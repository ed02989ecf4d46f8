"""`eventos receipt SOURCE ID`: what became of an event."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Annotated, Any

import typer
from aiokafka import ConsumerRecord, TopicPartition

from contracts.envelope import Event, decode
from contracts.fields import Data
from services.operator import kafka_clients
from services.operator.kafka_clients import Reader
from services.operator.output import FAILED, out, print_fields, print_json, print_table
from services.operator.standing import INTAKE_TOPICS
from services.operator.surroundings import database, settings_of_command
from services.operator.verdicts import latest_time
from services.runtime.database import Pool
from services.runtime.settings import Settings
from services.runtime.sql import load_queries

QUERIES = load_queries(__package__)

_NOBODY = (
    "Nobody has seen it: it was not published, waits to be consumed (`eventos status`), or could not be read so far "
    "that its identity is known (`eventos dead-letters list`)."
)


@dataclass(slots=True)
class Receipt:
    """What is known of one identity. `facts` and `views` are rows as they stand now, each with its table's name."""

    source: str
    id: str
    outcome: str
    applied: dict[str, Any] | None = None
    refusals: list[dict[str, Any]] = field(default_factory=list)
    facts: list[dict[str, Any]] = field(default_factory=list)
    views: list[dict[str, Any]] = field(default_factory=list)


def receipt(
    source: Annotated[str, typer.Argument(help="The event's `source`.")],
    identity: Annotated[str, typer.Argument(metavar="ID", help="The event's `id`.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what became of an event: applied, by whom, when, and what it changed; or refused, and why.

    Further deliveries of an applied event are duplicates: they are counted, and the first stands. One with other
    content is refused, and listed here. The exit code is 1 for an event that nobody has seen.

    Example: `eventos receipt /shop 7f0c8d3e-4a51-4f43-9d1b-0d9e6f6c1a22`
    """
    settings = settings_of_command()
    found = asyncio.run(_find(settings, source, identity))
    if as_json:
        print_json(asdict(found))
    else:
        _print(found)
    if found.outcome == "unknown":
        raise typer.Exit(FAILED)


async def _find(settings: Settings, source: str, identity: str) -> Receipt:
    async with database(settings) as pool:
        applied = await pool.fetchrow(QUERIES["receipt_applied"], source, identity)
        letters = await pool.fetch(QUERIES["receipt_letters"], source, identity)
        found = Receipt(source, identity, "unknown", refusals=[dict(letter) for letter in letters])
        if letters:
            found.outcome = "requeued" if letters[0]["status"] == "requeued" else "refused"
        if applied is not None:
            topic = INTAKE_TOPICS[applied["service"]].full_name(settings.topic_prefix)
            found.outcome, found.applied = "applied", {**dict(applied), "topic": topic}
            event = await _read_event(settings, found.applied)
            if event is not None:
                await _look_up(pool, found, event)
    return found


async def _read_event(settings: Settings, applied: Mapping[str, Any]) -> Event[Data] | None:
    """Read the record that was applied from Kafka again; None where retention has removed it."""
    async with kafka_clients.reader(settings) as reader:
        tp = TopicPartition(applied["topic"], applied["partition"])
        record = await read_one(reader, tp, applied["record_offset"])
    if record is None:
        return None
    decoded = decode(INTAKE_TOPICS[applied["service"]], record.value, record.headers, latest_time(None))
    return decoded if isinstance(decoded, Event) else None


async def read_one(reader: Reader, tp: TopicPartition, offset: int, *, wait: float = 5.0) -> ConsumerRecord | None:
    """Read the record at `offset`; None where it is not in Kafka any more. Replaces the assignment."""
    consumer = reader.consumer
    consumer.assign([tp])
    if not (await consumer.beginning_offsets([tp]))[tp] <= offset < (await consumer.end_offsets([tp]))[tp]:
        return None
    consumer.seek(tp, offset)
    records = (await consumer.getmany(tp, timeout_ms=int(wait * 1000), max_records=1)).get(tp, [])
    return records[0] if records and records[0].offset == offset else None


async def _look_up(pool: Pool, found: Receipt, event: Event[Data]) -> None:
    """Find the rows that the event made or had a part in, by the keys that its own data names."""
    named = {name: getattr(event.data, name, None) for name in ("message_id", "event_id", "order_id", "sponsor_id")}
    facts = await pool.fetch(
        QUERIES["receipt_facts"],
        found.source,
        found.id,
        event.uuid(),
        event.uuid("sponsorship"),
        named["message_id"],
        named["event_id"],
        named["order_id"],
        event.time,
    )
    found.facts = [{"table": row["name"], **row["row"]} for row in facts]
    views = await pool.fetch(QUERIES["receipt_views"], named["sponsor_id"], named["event_id"])
    found.views = [{"table": row["name"], **row["row"]} for row in views]


def _print(found: Receipt) -> None:
    lines: dict[str, Any] = {"source": found.source, "id": found.id, "outcome": found.outcome}
    if found.applied:
        row = found.applied
        lines["applied by"] = row["service"]
        lines["at"] = _time(row["applied_at"])
        lines["record"] = f"{row['topic']} partition {row['partition']} offset {row['record_offset']}"
    print_fields(lines.items())
    for title, rows in (("facts", found.facts), ("views as they stand", found.views)):
        if rows:
            out().print()
            print_table((title, "row"), ((row["table"], _row(row)) for row in rows))
    if found.refusals:
        out().print()
        names = ("id", "created_at", "topic", "partition", "record_offset", "reason", "detail", "status")
        columns = ("#dead letter", "refused at", "topic", "#partition", "#offset", "reason", "detail", "status")
        print_table(columns, ([_time(row[name]) for name in names] for row in found.refusals))
    if found.outcome == "unknown":
        out().print(_NOBODY, soft_wrap=True)


def _row(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in row.items() if name != "table" and value is not None)


def _time(value: Any) -> Any:
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else value
