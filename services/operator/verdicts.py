"""What the contract says of each line of a file, without a database: the same decoding that the services do."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from contracts.envelope import Refused, decode
from services.operator.lines import NoRecord, Record, numbered_lines, read_record
from services.runtime.intake import CLOCK_TOLERANCE


@dataclass(frozen=True, slots=True)
class Verdict:
    """A line, by number: the record that it makes, or why it is refused; `identity` as far as it could be read."""

    line: int
    record: Record | None
    reason: str | None = None
    detail: str | None = None
    identity: tuple[str | None, str | None] = (None, None)

    @property
    def accepted(self) -> bool:
        """Whether the services would take it, sponsors and events permitting."""
        return self.reason is None


def judge_file(path: Path, as_of: date | None) -> Iterator[Verdict]:
    """Judge each line of a file, as of now, or of a given UTC day. Raises Failure if the file is unreadable."""
    latest = latest_time(as_of)
    for number, line in numbered_lines(path):
        yield judge(number, line, latest)


def judge(number: int, line: bytes, latest: datetime) -> Verdict:
    """Judge one line. A record without a key gets the partition key that its topic asks for."""
    try:
        record = read_record(line)
    except NoRecord as error:
        return Verdict(number, None, "unreadable_line", str(error))
    decoded = decode(record.topic, record.value, record.headers, latest)
    identity = (decoded.source, decoded.id)
    if isinstance(decoded, Refused):
        return Verdict(number, record, decoded.reason, decoded.detail, identity)
    if record.key is None:
        record = replace(record, key=decoded.data.partition_key.encode())
    return Verdict(number, record, identity=identity)


def latest_time(as_of: date | None) -> datetime:
    """The latest acceptable time of an event that reached Kafka now, or on the UTC day `as_of`."""
    appended = datetime.now(UTC) if as_of is None else datetime.combine(as_of, time.min, UTC) + timedelta(days=1)
    return appended + CLOCK_TOLERANCE
