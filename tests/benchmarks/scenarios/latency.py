"""How long an event takes from its publisher's hands to facts, to a view, and to the derived event, at a steady rate.

Seen from outside. Some of the events are probes: each is the first sign of a sponsor's interest, so it makes a row of
the ledger, a row of `sponsor_lead_scores` and a record of `lead-scores` that were not there before. A look every few
milliseconds asks Postgres for what was not there at the look before, and a consumer that reads only what is committed
waits for the record; whatever is seen counts from the moment at which the look, or the fetch, has come back. So a
figure holds the time between two looks too, and nothing is taken from clocks of others. All services run.
"""

import asyncio
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from time import process_time
from uuid import UUID, uuid4

import orjson
from aiokafka import AIOKafkaProducer
from psutil import Process

from contracts.topics import SPONSOR_ACTIVITY
from services.operator.processes import SERVICES, Fleet
from services.operator.standing import INTAKE_TOPICS
from tests.benchmarks.draining import pids
from tests.benchmarks.lab import Backlog, Database, Lab
from tests.benchmarks.meters import Reading, processor_seconds
from tests.benchmarks.results import Requirement, Section, Table
from tests.benchmarks.scenarios.pace import at_rate, mixed
from tests.benchmarks.scenarios.probes import LOOK, LOOK_BY_KEY, SOURCE, STAGES, Watch, clients
from tests.benchmarks.workload import AS_OF

STILL = 4.0
"""Seconds without any event, once to let services come to rest, and once to see what they take at rest."""
_ADD_SPONSORS = """
    INSERT INTO sponsors (id, company_name, industry) SELECT id, 'Probe', 'food' FROM unnest($1::uuid[]) AS added (id)
"""


@dataclass(frozen=True, slots=True)
class Load:
    """A steady rate of events a second, for so many seconds, of which the first do not count; 1 in `one_in` a probe."""

    rate: int
    seconds: float
    warm_up: float
    one_in: int

    @property
    def probes(self) -> int:
        """How many probes there are."""
        return math.ceil(self.rate * self.seconds / self.one_in)


@dataclass(frozen=True, slots=True)
class Found:
    """What came of a load: milliseconds to each stage, and how many processors were busy for whom.

    `late` is by how many seconds the publisher was late at most.
    """

    load: Load
    late: float
    times: Sequence[Sequence[float]]
    resting: Mapping[str, float]
    busy: Mapping[str, float]
    by_service: Mapping[str, float]


async def run(lab: Lab) -> Section:
    """Measure at 1,000 and at 50 events a second."""
    busy = Load(1000, 60.0, 10.0, 20) if lab.scale.full else Load(1000, 18.0, 6.0, 20)
    calm = Load(50, 60.0, 10.0, 1) if lab.scale.full else Load(50, 16.0, 6.0, 1)
    at_busy, at_calm = await _measure(lab, busy), await _measure(lab, calm)
    return Section(
        "latency",
        tables=[
            _table(at_busy), _table(at_calm), _processors_table([at_busy, at_calm]),
            _services_table([at_busy, at_calm]),
        ],
        requirements=[
            *(
                _required(busy, 99, stage, found, goal)
                for stage, found, goal in zip(STAGES, at_busy.times, (100.0, 150.0, 200.0), strict=True)
            ),
            _required(calm, 50, STAGES[2], at_calm.times[2], 25.0),
        ],
    )  # fmt: skip


def _required(load: Load, percent: int, stage: str, times: Sequence[float], goal: float) -> Requirement:
    what = f"published → {stage}, p{percent} at {load.rate:,} events/s"
    return Requirement(what, round(percentile(times, percent), 1), "at most", goal, "ms")


def percentile(values: Sequence[float], percent: float) -> float:
    """The least of `values` that so many percent of them do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


async def _measure(lab: Lab, load: Load) -> Found:
    """Publish at the rate, and watch."""
    backlog = await lab.publish(f"latency{load.rate}.", dict.fromkeys(INTAKE_TOPICS, 0))
    async with lab.database(backlog, f"latency_{load.rate}") as database:
        sponsors = [str(uuid4()) for _ in range(load.probes)]
        await database.connection.execute(LOOK_BY_KEY)
        await database.connection.execute(_ADD_SPONSORS, [UUID(sponsor) for sponsor in sponsors])
        async with lab.services(database, SERVICES) as fleet, clients(database) as (producer, consumer):
            watch, meter = Watch(), lab.meter(pids(fleet))
            await asyncio.sleep(STILL)
            resting = meter.read()
            await asyncio.sleep(STILL)
            before, own, used = meter.read(), process_time(), _by_service(fleet)
            async with asyncio.TaskGroup() as group:
                watching = [group.create_task(watch.look(database)), group.create_task(watch.read(consumer))]
                lab.say(f"publishing {load.rate} events/s for {load.seconds:.0f} s")
                late = await _publish(database, load, sponsors, producer, watch, fleet)
                await watch.finish()
                spent, own = meter.read().since(before), process_time() - own
                busy = {service: (now - used[service]) / spent.seconds for service, now in _by_service(fleet).items()}
                for task in watching:
                    task.cancel()
    begun = min(probe.published for probe in watch.probes.values()) + load.warm_up
    counted = [probe for probe in watch.probes.values() if probe.published >= begun]
    times = [
        [1000 * (at - probe.published) for probe in counted if (at := probe.seen[stage]) is not None]
        for stage in range(len(STAGES))
    ]
    return Found(
        load,
        late,
        times,
        _processors(before.since(resting)),
        _processors(spent) | {"measurement": own / spent.seconds},
        busy,
    )


def _by_service(fleet: Fleet) -> dict[str, float]:
    """Seconds of processor that each service has spent."""
    return {
        child.service: processor_seconds([Process(pid)]) for child, pid in zip(fleet.children, pids(fleet), strict=True)
    }


def _processors(spent: Reading) -> dict[str, float]:
    used = {"services": spent.contender, "Postgres": spent.postgres, "Kafka": spent.kafka}
    return {who: seconds / spent.seconds for who, seconds in used.items()}


async def _publish(
    database: Database, load: Load, sponsors: Sequence[str], producer: AIOKafkaProducer, watch: Watch, fleet: Fleet
) -> float:
    """Publish at the rate; return by how many seconds the latest was late.

    Raises Failure when the rate cannot be kept, and when a service ends.
    """
    topic = SPONSOR_ACTIVITY.full_name(database.settings.topic_prefix)
    probes = _probes(database.backlog, sponsors)
    total = round(load.rate * load.seconds)
    others = mixed(database.backlog, total)

    async def send(number: int) -> None:
        if number % load.one_in:
            name, key, value = next(others)
            await producer.send(name, key=key, value=value)
        else:
            sponsor, value = next(probes)
            watch.published(sponsor)
            await producer.send(topic, key=sponsor.encode(), value=value)

    return await at_rate(load.rate, total, send, fleet.require_alive)


def _probes(backlog: Backlog, sponsors: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """A visit by each sponsor, concerning the events in turn; its id is the sponsor's."""
    for sponsor, event in zip(sponsors, cycle(backlog.workload.events)):
        yield sponsor, orjson.dumps({
            "specversion": "1.0", "id": sponsor, "source": SOURCE, "type": "eventos.sponsor.website_visited.v1",
            "time": f"{AS_OF}T00:00:00Z", "data": {"sponsor_id": sponsor, "event_id": event},
        })  # fmt: skip


def _table(found: Found) -> Table:
    percents = (50, 99, 99.9)
    return Table(
        f"milliseconds from published at {found.load.rate:,} events/s, {len(found.times[0]):,} of the events watched",
        ["→", *(f"#p{percent}" for percent in percents), "#longest"],
        [
            [stage, *(round(percentile(times, percent), 1) for percent in percents), round(max(times), 1)]
            for stage, times in zip(STAGES, found.times, strict=True)
        ],
        note=f"The view is the lead's score. Looks at Postgres are {1000 * LOOK:.0f} ms apart and more."
        f" The publisher was {1000 * found.late:.0f} ms late at most.",
    )


def _processors_table(loads: Sequence[Found]) -> Table:
    rows = [(0, loads[0].resting), *((found.load.rate, found.busy) for found in sorted(loads, key=_rate))]
    names = [*loads[0].busy]
    return Table(
        "processors kept busy",
        ["#events/s", *(f"#{name}" for name in names)],
        [[rate, *(used.get(name, 0.0) for name in names)] for rate, used in rows],
        note="six services, one process each; with all of the warming up",
    )


def _services_table(loads: Sequence[Found]) -> Table:
    return Table(
        "of them by each service",
        ["#events/s", *(f"#{name}" for name in loads[0].by_service)],
        [[found.load.rate, *found.by_service.values()] for found in sorted(loads, key=_rate)],
    )


def _rate(found: Found) -> int:
    return found.load.rate
