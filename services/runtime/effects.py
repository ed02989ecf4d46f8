"""What a batch of events does to the world beyond its own facts: the nouns between domain code and the runtime.

A service's domain turns events into `Effects`; the runtime writes them. Everything in here adds up: effects of two
batches, added, are the effects of both, whatever their order.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

SignalKey = tuple[str, str | None, str, date]
"""(sponsor, event or None, signal, UTC day): the key of a lead signal."""

CounterKey = tuple[str, str, str]
"""(event, metric, label): the key of a dashboard counter, before the shard."""


class Mark(NamedTuple):
    """One key of one view that no longer agrees with the facts.

    `kind` says what `key` (and `other`) identify, in the words of the projection that will take the mark.
    """

    projection: str
    kind: str
    key: str
    other: str | None = None


class Derived(NamedTuple):
    """A derived event on its way to Kafka, as the outbox keeps it.

    `topic` is a registered name without prefix; `data` is the JSON of the event's data, or None for a tombstone.
    """

    topic: str
    key: str
    type: str | None
    data: bytes | None
    traceparent: str | None = None


@dataclass(slots=True)
class Effects:
    """Integer contributions and what follows from them.

    `signals` and `counters` hold differences (new − old); `first_at` holds the least time seen for counters that
    never fall. `marks` are only those that do not follow from a signal or a counter: the lead pair of each signal
    and the dashboard of each counter are marked by the very statements that move them.
    """

    signals: Counter[SignalKey] = field(default_factory=Counter)
    counters: Counter[CounterKey] = field(default_factory=Counter)
    first_at: dict[CounterKey, datetime] = field(default_factory=dict)
    marks: set[Mark] = field(default_factory=set)
    derived: list[Derived] = field(default_factory=list)

    def seen_at(self, counter: CounterKey, time: datetime) -> None:
        """Keep the least time at which `counter` was counted."""
        known = self.first_at.get(counter)
        if known is None or time < known:
            self.first_at[counter] = time
