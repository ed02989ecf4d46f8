"""What intake must have done, as a plain model: logs of records, a dict of the events applied once, and counts."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any

from services.runtime.records import Record
from tests.support.season import AS_OF
from tests.support.truth.reading import Fact, read

Place = tuple[str, int, int]
"""Where a record is: service, partition, offset."""
Log = tuple[str, int]
"""The log that a service reads: service, partition."""
LATEST = datetime.combine(AS_OF, time.min, UTC) + timedelta(days=1, minutes=5)


@dataclass(frozen=True)
class Published:
    """A record as the broker has it, and the line that it was made of."""

    record: Record
    line: dict[str, Any]


@dataclass
class Model:
    """The logs, and what consumers have settled of them. `core` holds the rows that events may refer to."""

    core: Mapping[str, Any]
    logs: dict[Log, list[Published]]
    applied: dict[tuple[str, str], tuple[str, Place]] = field(default_factory=dict)
    """By identity what the event said, and where it was when it was applied."""
    letters: dict[Place, str] = field(default_factory=dict)
    order: list[dict[str, Any]] = field(default_factory=list)
    """The lines of the records that were settled, in the order in which they first were."""
    _outcomes: dict[tuple[str, Log], Counter[str]] = field(default_factory=dict)
    _seen: set[Place] = field(default_factory=set)

    def position(self, consumer: str, log: Log) -> int:
        """The next offset that a consumer has to settle."""
        return sum(self._outcomes.get((consumer, log), Counter()).values())

    def settle(self, consumer: str, log: Log, end: int) -> None:
        """Settle what is before `end` and was not settled before."""
        counts = self._outcomes.setdefault((consumer, log), Counter())
        for offset in range(self.position(consumer, log), end):
            counts[self._outcome((*log, offset))] += 1

    def outcomes(self) -> Iterator[tuple[str, str, int, int, int, int, int]]:
        """Consumer, service and partition; next offset; records applied, duplicate and dead-lettered."""
        for (consumer, log), counts in self._outcomes.items():
            if counts:
                next_offset = self.position(consumer, log)
                yield (consumer, *log, next_offset, counts["applied"], counts["duplicate"], counts["dead_lettered"])

    def _outcome(self, place: Place) -> str:
        line = self.logs[place[:2]][place[2]].line
        if place not in self._seen:
            self._seen.add(place)
            self.order.append(line)
        found = read(line, LATEST)
        reason = found if isinstance(found, str) else self._missing(found) or self._conflict(found)
        if reason is not None:
            self.letters.setdefault(place, reason)
            return "dead_lettered"
        assert isinstance(found, Fact)
        identity = found.source, found.id
        if identity in self.applied:
            return "duplicate"
        self.applied[identity] = found.content, place
        return "applied"

    def _missing(self, fact: Fact) -> str | None:
        for what in ("sponsor", "event"):
            id_ = fact.uuid(f"{what}_id")
            if id_ is not None and id_ not in {row["id"] for row in self.core[f"{what}s"]}:
                return f"unknown_{what}"
        return None

    def _conflict(self, fact: Fact) -> str | None:
        before = self.applied.get((fact.source, fact.id))
        return "event_id_conflict" if before is not None and before[0] != fact.content else None
