"""What a set of records adds to the signals of leads, before anything is made of it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from tests.support.truth.reading import Fact
from tests.support.truth.state import _settle, _signals
from tests.support.truth.units import messages, orders

Signal = tuple[str, str | None, str, date]
"""(sponsor, event or None, signal, UTC day)."""


def expected_signals(core: Mapping[str, Any], records: Iterable[Mapping[str, Any]], as_of: date) -> dict[Signal, int]:
    """Compute how often each sponsor gave each signal, for each event and day, once all of `records` are settled."""
    by_topic: dict[str, list[Fact]] = defaultdict(list)
    for fact in _settle(core, records, as_of)[0]:
        by_topic[fact.topic].append(fact)
    signals = _signals(
        by_topic["sponsor-activity"], messages(by_topic["email-engagement"]), orders(by_topic["ticket-sales"])
    )
    return {(*pair, name, day): n for pair, counts in signals.items() for (name, day), n in counts.items()}
