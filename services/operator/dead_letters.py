"""`eventos dead-letters`: what was refused, why, and what becomes of it."""

import asyncio
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import orjson
import typer

from contracts.refusals import Reason
from contracts.topics import TOPICS
from services.operator.moments import moment
from services.operator.output import WRONG_USAGE, Failure, note, out, print_fields, print_json, print_table
from services.operator.surroundings import database, settings_of_command
from services.runtime.database import Pool
from services.runtime.settings import Settings
from services.runtime.sql import load_queries
from services.runtime.wake import OUTBOX_CHANNEL

QUERIES = load_queries(__package__)

STATUSES = ("pending", "requeued", "resolved", "discarded")

app = typer.Typer(
    help="Records that were refused.", no_args_is_help=True, add_completion=False, rich_markup_mode="markdown"
)

ReasonOption = Annotated[str | None, typer.Option("--reason", help="Only this reason, such as invalid_data.")]
TopicOption = Annotated[str | None, typer.Option("--topic", help="Only this topic, with or without prefix.")]
SinceOption = Annotated[str | None, typer.Option("--since", help="Only newer ones: a time, or 90s, 30m, 24h, 7d ago.")]
IdsArgument = Annotated[list[int] | None, typer.Argument(metavar="[ID]...")]
AllOption = Annotated[bool, typer.Option("--all", help="All that are pending.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which dead letters; None takes any."""

    reason: str | None
    topic: str | None
    since: datetime | None
    status: str | None

    @property
    def parameters(self) -> tuple[str | None, str | None, datetime | None, str | None]:
        """The filter as the queries take it."""
        return self.reason, self.topic, self.since, self.status


Act = Callable[[Pool, Sequence[int] | None, Filter], Awaitable[list[int]]]
"""What is done with letters; returns the ids of those that it was done with."""


@app.callback()
def dead_letters() -> None:
    """Records that were refused, kept whole. Their values may hold personal data."""


@app.command("list")
def list_command(
    reason: ReasonOption = None,
    topic: TopicOption = None,
    since: SinceOption = None,
    status: Annotated[str, typer.Option(help=f"{', '.join(STATUSES)}, or all.")] = "pending",
    limit: Annotated[int, typer.Option(min=1, help="Most rows.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List dead letters, the newest first.

    Examples: `eventos dead-letters list --reason invalid_data --since 24h` ·
    `eventos dead-letters list --status all --json`
    """
    settings = settings_of_command()
    wanted = _filter(settings, reason, topic, since, None if status == "all" else status)
    rows, total = asyncio.run(_list(settings, wanted, limit))
    if as_json:
        print_json([dict(row) for row in rows])
        return
    names = ("id", "created_at", "topic", "partition", "record_offset", "reason", "detail", "status", "attempts")
    columns = ("#id", "refused at", "topic", "#partition", "#offset", "reason", "detail", "status", "#attempts")
    print_table(columns, ([_shown(row[name]) for name in names] for row in rows))
    note(f"{len(rows)} of {total}" if total > len(rows) else f"{total} dead letters")


@app.command("show")
def show_command(number: Annotated[int, typer.Argument(metavar="ID")], as_json: JsonOption = False) -> None:
    """Show one dead letter whole: its record, as readable as it can be, and what was wrong with it.

    Example: `eventos dead-letters show 17`
    """
    settings = settings_of_command()
    row = asyncio.run(_show(settings, number))
    if row is None:
        raise Failure(f"there is no dead letter {number}", remedy="`eventos dead-letters list --status all`")
    letter = {
        **{name: value for name, value in row.items() if name not in ("key", "value", "headers")},
        "key": readable(row["key"]),
        "headers": {name: readable(b64decode(text) if text else None) for name, text in row["headers"]},
        "value": readable(row["value"]),
    }
    if as_json:
        print_json(letter)
        return
    print_fields((name, _shown(value)) for name, value in letter.items() if name != "value")
    out().print()
    out().print(pretty(letter["value"]), markup=False, soft_wrap=True)


@app.command("requeue")
def requeue_command(
    numbers: IdsArgument = None,
    reason: ReasonOption = None,
    topic: TopicOption = None,
    since: SinceOption = None,
    every: AllOption = False,
    as_json: JsonOption = False,
) -> None:
    """Send refused records again, as they were, to the topic that they came from; by ids, or by filter.

    They keep their identity: one that was applied meanwhile counts as a duplicate, one that is still bad comes back
    as a new letter. Only pending letters are sent.

    Examples: `eventos dead-letters requeue 17 18` · `eventos dead-letters requeue --reason handler_error --since 2h`
    """
    _do("requeued", requeue, numbers, reason, topic, since, every=every, as_json=as_json)


@app.command("discard")
def discard_command(
    numbers: IdsArgument = None,
    reason: ReasonOption = None,
    topic: TopicOption = None,
    since: SinceOption = None,
    every: AllOption = False,
    as_json: JsonOption = False,
) -> None:
    """Close letters that were looked at and that nobody wants sent again; by ids, or by filter.

    They are no longer pending, and stay to be shown until their time is over. Only pending letters are closed.

    Examples: `eventos dead-letters discard 17 18` · `eventos dead-letters discard --reason not_json --since 7d`
    """
    _do("discarded", discard, numbers, reason, topic, since, every=every, as_json=as_json)


def _do(
    done: str, act: Act, numbers: list[int] | None, reason: str | None, topic: str | None, since: str | None, *,
    every: bool, as_json: bool,
) -> None:  # fmt: skip
    """Do with letters what a command asks for, and tell what was `done`."""
    if bool(numbers) == bool(reason or topic or since or every):
        raise Failure("say which dead letters", "Give ids, or a filter, or --all.", code=WRONG_USAGE)
    settings = settings_of_command()
    found = asyncio.run(_act(settings, act, numbers, _filter(settings, reason, topic, since, "pending")))
    missing = sorted(set(numbers or []) - set(found))
    if as_json:
        print_json({done: found, "not_pending": missing})
    else:
        note(f"{done} {len(found)} dead letters")
    if missing:
        raise Failure(f"not pending, or not there: {', '.join(map(str, missing))}")


def _filter(settings: Settings, reason: str | None, topic: str | None, since: str | None, status: str | None) -> Filter:
    name = topic.removeprefix(settings.topic_prefix) if topic else None
    for value, known, what in (
        (reason, tuple(Reason), "reason"),
        (name, tuple(TOPICS), "topic"),
        (status, STATUSES, "status"),
    ):
        if value is not None and value not in known:
            raise Failure(f"there is no {what} {value!r}", f"Known are {', '.join(known)}.", code=WRONG_USAGE)
    return Filter(reason, name, moment(since) if since else None, status)


async def _list(settings: Settings, wanted: Filter, limit: int) -> tuple[Sequence[Mapping[str, Any]], int]:
    async with database(settings) as pool:
        rows = await pool.fetch(QUERIES["list_letters"], *wanted.parameters, limit)
        total: int = await pool.fetchval(QUERIES["count_letters"], *wanted.parameters)
    return rows, total


async def _show(settings: Settings, number: int) -> Mapping[str, Any] | None:
    async with database(settings) as pool:
        row: Mapping[str, Any] | None = await pool.fetchrow(QUERIES["show_letter"], number)
    return row


async def _act(settings: Settings, act: Act, numbers: Sequence[int] | None, wanted: Filter) -> list[int]:
    async with database(settings) as pool:
        return await act(pool, numbers, wanted)


async def requeue(pool: Pool, numbers: Sequence[int] | None, wanted: Filter) -> list[int]:
    """Requeue pending letters by their ids, or else by filter; status and outbox row in one statement."""
    rows = await pool.fetch(QUERIES["requeue_letters"], numbers, *wanted.parameters)
    await pool.execute(QUERIES["wake"], OUTBOX_CHANNEL)
    return sorted(row["id"] for row in rows)


async def discard(pool: Pool, numbers: Sequence[int] | None, wanted: Filter) -> list[int]:
    """Close pending letters by their ids, or else by filter."""
    rows = await pool.fetch(QUERIES["discard_letters"], numbers, *wanted.parameters)
    return sorted(row["id"] for row in rows)


def readable(raw: bytes | None) -> str | None:
    """Bytes as text; what is not UTF-8 is shown as escapes."""
    return None if raw is None else raw.decode("utf-8", "backslashreplace")


def pretty(text: str | None) -> str:
    """A value for people: JSON is indented, anything else is as it is."""
    if text is None:
        return "(null)"
    try:
        return orjson.dumps(orjson.loads(text), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError:
        return text or "(empty)"


def _shown(value: Any) -> Any:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else value
