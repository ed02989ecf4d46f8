"""Dead letters: refused records, kept with everything needed to send them again, and what becomes of them."""

from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from typing import Any

from contracts.envelope import Event, Refused
from contracts.refusals import Reason
from contracts.topics import DEAD_LETTERS, Topic
from services.runtime.database import Connection
from services.runtime.ledger import Judgement, References
from services.runtime.records import Item, Record, appended_at
from services.runtime.sql import load_queries

queries = load_queries(__package__)

EXPIRED_AT_ONCE = 1000
"""Most letters that one statement removes."""

Headers = list[tuple[str, str | None]]
"""Record headers as JSON keeps them: names with base64 values, in order, repeats included."""


async def write(
    connection: Connection, service: str, topic: Topic, items: Sequence[Item], judgement: Judgement,
    references: References,
) -> int:  # fmt: skip
    """Store the refused records of a batch and put them in the outbox; return how many there were.

    An identity that is applied, or turns out to have been, resolves the letters that it left: those of earlier
    batches here, those earlier in this batch by being born resolved.
    """
    verdicts, open_letters = judgement
    if not open_letters and not any(isinstance(verdict, Refused) for verdict in verdicts):
        return 0
    settled = {
        (item.decoded.source, item.decoded.id): index
        for index, (item, verdict) in enumerate(zip(items, verdicts, strict=True))
        if isinstance(item.decoded, Event) and not isinstance(verdict, Refused)
    }
    if closed := [letter.id for letter in open_letters if (letter.source, letter.identity) in settled]:
        await connection.execute(queries["resolve_letters"], closed)
    letters = [
        _row(service, topic, item, verdict, references, resolved=_later(settled, verdict, index))
        + _forward(item.record, verdict)
        for index, (item, verdict) in enumerate(zip(items, verdicts, strict=True))
        if isinstance(verdict, Refused)
    ]
    if letters:
        await connection.executemany(queries["add_letter"], letters)
    return len(letters)


async def expire(connection: Connection, days: int) -> Counter[tuple[str, str]]:
    """Remove letters, of any service, that are older than `days`; count them by service and status.

    A record that is read again afterwards, by a replay, leaves a new letter.
    """
    removed: Counter[tuple[str, str]] = Counter()
    while rows := await connection.fetch(queries["expire_letters"], days, EXPIRED_AT_ONCE):
        removed.update((row["service"], row["status"]) for row in rows)
    return removed


def encode_headers(headers: Sequence[tuple[str, bytes | None]]) -> Headers:
    """Record headers in the form that JSON in Postgres can keep."""
    return [(_storable(name), None if value is None else b64encode(value).decode()) for name, value in headers]


def _later(settled: dict[tuple[str, str], int], refused: Refused, index: int) -> bool:
    if refused.source is None or refused.id is None or refused.reason is Reason.EVENT_ID_CONFLICT:
        return False
    return settled.get((refused.source, refused.id), -1) > index


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
        appended_at(record),
        refused.reason,
        refused.detail,
        *(None if text is None else _storable(text) for text in (refused.source, refused.id, refused.type)),
        _missing(item.decoded, refused.reason, references),
        "resolved" if resolved else "pending",
    )


def _missing(decoded: Event[Any] | Refused, reason: Reason, references: References) -> str | None:
    """The id that had no row: when a row with it comes, the letter is taken up again."""
    if not isinstance(decoded, Event) or reason not in (Reason.UNKNOWN_SPONSOR, Reason.UNKNOWN_EVENT):
        return None
    sponsor, event = references(decoded)
    return sponsor if reason is Reason.UNKNOWN_SPONSOR else event


def _storable(text: str) -> str:
    """Postgres keeps no U+0000; the raw bytes of the record keep what they held."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _forward(record: Record, refused: Refused) -> tuple[Any, ...]:
    """What more the outbox row has that sends the record, as it was, to the dead-letters topic with what was wrong."""
    why: dict[str, str] = {
        "eventos-reason": refused.reason,
        "eventos-detail": refused.detail,
        "eventos-topic": record.topic,
        "eventos-partition": str(record.partition),
        "eventos-offset": str(record.offset),
    }
    headers = [*record.headers, *((name, text.encode("utf-8", "replace")) for name, text in why.items())]
    readable = "" if record.key is None else record.key.decode("utf-8", "replace").replace("\x00", "")
    return DEAD_LETTERS.name, readable, encode_headers(headers)
