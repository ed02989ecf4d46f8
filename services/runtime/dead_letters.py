"""Dead letters: refused records, kept with everything needed to send them again, and what becomes of them."""

from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from contracts.envelope import Event, Refused
from contracts.refusals import Reason
from contracts.topics import DEAD_LETTERS, Topic
from services.runtime.database import Connection
from services.runtime.ledger import References, Verdict
from services.runtime.records import Item, Record
from services.runtime.sql import load_queries

queries = load_queries(__package__)

Headers = list[tuple[str, str | None]]
"""Record headers as JSON keeps them: names with base64 values, in order, repeats included."""


async def write(
    connection: Connection, service: str, topic: Topic, items: Sequence[Item], verdicts: Sequence[Verdict],
    references: References,
) -> int:  # fmt: skip
    """Store the refused records of a batch and put them in the outbox; return how many there were.

    Applying an identity resolves the letters that it left before: those of earlier batches here, those earlier in
    this batch by being born resolved.
    """
    applied = {(v.source, v.id): index for index, v in enumerate(verdicts) if isinstance(v, Event)}
    if applied:
        await connection.execute(
            queries["resolve_letters"], [source for source, _ in applied], [id_ for _, id_ in applied]
        )
    letters = [
        _row(service, topic, item, verdict, references, resolved=_later(applied, verdict, index))
        for index, (item, verdict) in enumerate(zip(items, verdicts, strict=True))
        if isinstance(verdict, Refused)
    ]
    if letters:
        await connection.executemany(queries["add_letter"], letters)
        await connection.executemany(queries["forward_letter"], [_forward(*pair) for pair in _refused(items, verdicts)])
    return len(letters)


def encode_headers(headers: Sequence[tuple[str, bytes | None]]) -> Headers:
    """Record headers in the form that JSON can keep."""
    return [(name, None if value is None else b64encode(value).decode()) for name, value in headers]


def _refused(items: Sequence[Item], verdicts: Sequence[Verdict]) -> list[tuple[Record, Refused]]:
    return [(i.record, v) for i, v in zip(items, verdicts, strict=True) if isinstance(v, Refused)]


def _later(applied: dict[tuple[str, str], int], refused: Refused, index: int) -> bool:
    if refused.source is None or refused.id is None:
        return False
    return applied.get((refused.source, refused.id), -1) > index


def _row(
    service: str, topic: Topic, item: Item, refused: Refused, references: References, *, resolved: bool
) -> tuple[Any, ...]:
    record = item.record
    return (
        service,
        topic.name,
        record.partition,
        record.offset,
        record.key,
        record.value,
        encode_headers(record.headers),
        datetime.fromtimestamp(record.timestamp / 1000, UTC),
        refused.reason,
        refused.detail,
        _storable(refused.source),
        _storable(refused.id),
        _storable(refused.type),
        _missing(item.decoded, refused.reason, references),
        "resolved" if resolved else "pending",
    )


def _missing(decoded: Event[Any] | Refused, reason: Reason, references: References) -> str | None:
    """The id that had no row: when a row with it comes, the letter is taken up again."""
    if not isinstance(decoded, Event) or reason not in (Reason.UNKNOWN_SPONSOR, Reason.UNKNOWN_EVENT):
        return None
    sponsor, event = references(decoded)
    return sponsor if reason is Reason.UNKNOWN_SPONSOR else event


def _storable(text: str | None) -> str | None:
    """Postgres keeps no U+0000; the raw bytes of the record keep everything."""
    return None if text is None else text.replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _forward(record: Record, refused: Refused) -> tuple[Any, ...]:
    """The outbox row that sends the record, as it was, to the dead-letters topic with what was wrong."""
    why: dict[str, str] = {
        "eventos-reason": refused.reason,
        "eventos-detail": refused.detail,
        "eventos-topic": record.topic,
        "eventos-partition": str(record.partition),
        "eventos-offset": str(record.offset),
    }
    headers = [*record.headers, *((name, text.encode("utf-8", "replace")) for name, text in why.items())]
    readable = "" if record.key is None else record.key.decode("utf-8", "replace").replace("\x00", "")
    return DEAD_LETTERS.name, readable, record.key, record.value, encode_headers(headers)
