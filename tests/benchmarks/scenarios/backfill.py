"""A year of a thousand events, published at once: how long until all of it is facts, views and told.

How many records that is follows from the rows that the database's design estimates for an event, as `eventos db
storage` has them: an activity of a sponsor for each row of sponsor_activities, a fact about an e-mail for each of
email_events. Their times are spread over a year, so the months are made first, and old counts are many.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any

import orjson

from contracts.topics import Topic
from services.operator.db.sample import KINDS
from services.operator.processes import INTAKE_SERVICES, SERVICES
from tests.benchmarks.checks import VIEWS, check
from tests.benchmarks.contenders import product
from tests.benchmarks.lab import Lab
from tests.benchmarks.results import Requirement, Section, Table
from tests.benchmarks.workload import AS_OF, SPAN, START, Workload

EVENTS = 1000
MINUTES = 10.0
"""What "minutes" means."""
PART = 100
"""Events of the quick form."""
RECORDS: Mapping[str, int] = {
    "sponsor_activity": KINDS["sponsor_activities"].rows,
    "email_engagement": KINDS["email_events"].rows,
    "ticket_sales": 0,  # the estimate has none
}
"""Records of an event."""
YEAR = timedelta(days=365)


class Year(Workload):
    """The usual workload, its times stretched over the year before the day that views stand for."""

    def records(self, topic: Topic, number: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values as the usual workload has them, at other times."""
        begins = datetime.combine(AS_OF, time.min, UTC) - YEAR
        for key, value in super().records(topic, number):
            event: dict[str, Any] = orjson.loads(value)
            happened = begins + (datetime.fromisoformat(event["time"]) - START) * (YEAR / SPAN) * 0.999
            yield key, orjson.dumps({**event, "time": happened.isoformat()})


async def run(lab: Lab) -> Section:
    """Publish, let all services settle it, and say how long a year takes or, of a part of it, would take."""
    events = EVENTS if lab.scale.full else PART
    workload = Year(events=events, sponsors=KINDS["sponsors"].rows * events)
    counts = {service: each * events for service, each in RECORDS.items()}
    backlog = await lab.publish("year.", counts, workload)
    async with lab.database(backlog, "year") as database:
        work = await product.drain(lab, database, SERVICES)
        await check(database, INTAKE_SERVICES, projected=VIEWS)
    rate = backlog.total / work.drained.seconds
    year = sum(RECORDS.values()) * EVENTS
    minutes = year / rate / 60
    said = "" if lab.scale.full else f", extrapolated from {events}"
    return Section(
        "backfill",
        tables=[
            Table(
                f"a year of {events:,} events, all effects",
                ["#records", "#seconds", "#records/s", f"#minutes for {EVENTS:,} events{said}"],
                [[backlog.total, work.drained.seconds, rate, minutes]],
                note=f"{', '.join(f'{service} {each:,}' for service, each in RECORDS.items())} records an event",
            )
        ],
        requirements=[
            Requirement(f"a year of {EVENTS:,} events backfilled{said}", round(minutes, 1), "at most", MINUTES, "min")
        ],
    )
