"""The demonstration's season."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from contracts.envelope import Event, decode
from services.operator.demonstration.organisation import Organisation, organisation
from services.operator.demonstration.season import Season
from services.operator.lines import Record

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
LATEST = NOW + timedelta(minutes=5)


def records(number: int, *, seed: int = 1, run: str = "run") -> list[Record]:
    season = Season(_organisation(), seed, run)
    return [season.tell(NOW) for _ in range(number)]


def _organisation() -> Organisation:
    return organisation(1, NOW)


def test_the_same_seed_tells_the_same_season() -> None:
    assert records(500) == records(500)
    assert records(500) != records(500, seed=2)


def test_two_runs_share_no_identity() -> None:
    first, second = (
        {(event.source, event.id) for event in _events(records(500, run=run))} for run in ("first", "second")
    )

    assert not first & second


def test_almost_all_is_good_some_comes_twice_some_late_and_a_little_is_bad() -> None:
    told = records(5000)
    events = list(_events(told))
    identities = Counter((event.source, event.id) for event in events)

    assert 0.985 < len(events) / len(told) < 0.9995
    assert any(n > 1 for n in identities.values())
    assert any(event.time < NOW - timedelta(hours=1) for event in events)


def test_every_type_that_services_consume_occurs() -> None:
    names = {event.name for event in _events(records(20_000))}

    assert names >= {
        "sent",
        "opened",
        "replied",
        "order_completed",
        "order_refunded",
        "meeting_held",
        "sponsorship_signed",
    }


def test_an_order_is_told_before_its_refund_and_after_its_checkout() -> None:
    seen: dict[str, set[str]] = {}
    for event in _events(records(20_000)):
        order = getattr(event.data, "order_id", None)
        if order is not None:
            before = seen.setdefault(order, set())
            if event.name == "order_refunded":
                assert before >= {"checkout_started", "order_completed"}
            before.add(event.name)


def test_an_event_that_is_sold_out_is_looked_at_and_not_bought() -> None:
    small = _organisation()
    for event in small.core["events"]:
        event["capacity"] = 0
    season = Season(small, 1, "run")
    names = {event.name for event in _events([season.tell(NOW) for _ in range(3000)])}

    assert "page_viewed" in names
    assert "checkout_started" not in names


def _events(records: Iterable[Record]) -> list[Event[Any]]:
    decoded = (decode(record.topic, record.value, record.headers, LATEST) for record in records)
    return [event for event in decoded if isinstance(event, Event)]
