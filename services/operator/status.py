"""`eventos status`: is it keeping up, is anything stuck or refused."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from aiokafka import TopicPartition

from services.operator import kafka_clients
from services.operator.output import note, out, print_json, print_table
from services.operator.standing import Partition, Standing, first_unread, look
from services.operator.surroundings import database, settings_of_command
from services.runtime.settings import Settings
from services.runtime.sql import load_queries

QUERIES = load_queries(__package__)


def status(
    all_partitions: Annotated[bool, typer.Option("--all", help="Also partitions without a record.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show, per service and partition, how far it is; and what waits, is parked, stopped or refused.

    Lag in seconds is how long the first record that was not consumed has been in Kafka.

    Examples: `eventos status` · `eventos status --json | jq '.partitions[] | select(.lag > 0)'`
    """
    settings = settings_of_command()
    now, lags, parked, letters = asyncio.run(_read(settings))
    if as_json:
        print_json(_as_data(now, lags, parked, letters))
        return
    shown = [p for p in now.partitions if all_partitions or p.log_end or p.stopped_reason]
    columns = ("service", "topic", "#partition", "#stored", "#end", "#lag", "#lag s", "#applied", "#duplicate",
               "#refused", "stopped")  # fmt: skip
    print_table(columns, (_row(p, lags) for p in shown))
    if not shown:
        note("nothing was published to the input topics yet")
    _print_waiting(now, parked, letters)


async def _read(
    settings: Settings,
) -> tuple[Standing, dict[TopicPartition, float], Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]]:
    """Take a look; lags in seconds for partitions that are behind."""
    async with database(settings) as pool, kafka_clients.reader(settings) as reader:
        now = await look(settings, pool, reader)
        since = await first_unread(reader, [partition for partition in now.partitions if partition.lag], wait=3.0)
        moment = datetime.now(UTC)
        lags = {place: max(0.0, (moment - appended).total_seconds()) for place, appended in since.items() if appended}
        parked = await pool.fetch(QUERIES["parked"])
        letters = await pool.fetch(QUERIES["dead_letters_by_reason"])
    return now, lags, parked, letters


def _row(partition: Partition, lags: Mapping[TopicPartition, float]) -> tuple[Any, ...]:
    lag = lags.get(partition.place)
    return (
        partition.service,
        partition.topic,
        partition.partition,
        partition.stored_offset,
        partition.log_end,
        partition.lag,
        None if lag is None else f"{lag:.1f}",
        partition.applied,
        partition.duplicate,
        partition.dead_lettered,
        partition.stopped_reason or "",
    )


def _print_waiting(now: Standing, parked: Sequence[Mapping[str, Any]], letters: Sequence[Mapping[str, Any]]) -> None:
    out().print()
    rows = [
        ("stale marks", now.marks_pending, _age(now.marks_age), _marks(now.marks)),
        ("outbox", now.outbox_pending, _age(now.outbox_age), "derived events to send"),
        ("parked keys", now.parked_keys, "", "what a projection failed on"),
        ("dead letters", now.dead_letters_pending, "", "`eventos dead-letters list`"),
    ]
    print_table(("waiting", "#count", "#oldest s", ""), rows)
    out().print(f"scores are as of {now.as_of or 'no day yet'}")
    if letters:
        out().print()
        print_table(
            ("service", "reason", "#dead letters"), ((r["service"], r["reason"], r["pending"]) for r in letters)
        )
    if parked:
        out().print()
        columns = ("projection", "kind", "key", "other", "#attempts", "retry at", "error")
        names = ("projection", "kind", "key", "other", "attempts", "retry_at", "error")
        print_table(columns, (tuple(row[name] for name in names) for row in parked))


def _marks(marks: Mapping[str, int]) -> str:
    by_projection = ", ".join(f"{name} {count}" for name, count in sorted(marks.items()))
    return by_projection or "all views are up to date"


def _age(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f}"


def _as_data(
    now: Standing,
    lags: Mapping[TopicPartition, float],
    parked: Sequence[Mapping[str, Any]],
    letters: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    data = asdict(now)
    for row, partition in zip(data["partitions"], now.partitions, strict=True):
        row["lag"] = partition.lag
        row["lag_seconds"] = lags.get(partition.place, None if partition.lag else 0.0)
    return {
        **data,
        "marks_pending": now.marks_pending,
        "lag": now.lag,
        "idle": now.idle,
        "parked": [dict(r) for r in parked],
        "dead_letters": [dict(r) for r in letters],
    }
