"""Where an event's time goes: each step by itself, in microseconds of our processor, of a server's, and on the clock.

Intake and projections run in this process on one connection, one thing at a time, so that what is spent during a
statement was spent for it. The steps before the transaction are timed on the same records by themselves.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from importlib import import_module
from itertools import cycle, islice

from contracts.envelope import decode, judge, read_envelope
from contracts.registry import EVENT_TYPES
from contracts.strict_json import canonical
from contracts.topics import Topic
from services.operator.processes import INTAKE_SERVICES
from services.operator.standing import INTAKE_TOPICS
from services.runtime.database import connect_pool
from services.runtime.health import Pulse
from services.runtime.metrics import ServiceMetrics
from services.runtime.projection import Projection
from services.runtime.records import Record
from services.runtime.service import Service, Tools, collect_seldom
from tests.benchmarks.checks import VIEWS, check
from tests.benchmarks.contenders import limit, product
from tests.benchmarks.lab import Database, Lab
from tests.benchmarks.probe import Account, Spent, account, probing
from tests.benchmarks.results import Section, Table

_LATEST = datetime.max.replace(tzinfo=UTC)
_SHORT = 0.1e-6
"""Seconds an event below which a statement is not named."""
_SAMPLE = 20_000
"""Records on which what needs no database is timed."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step of some work, and what it took for all of so many events."""

    work: str
    name: str
    spent: Spent
    events: int


async def run(lab: Lab) -> Section:
    """Take every step of a mixed backlog apart."""
    backlog, steps = await lab.backlog(), list[Step]()
    async with lab.database(backlog, "steps") as database:
        with probing():
            for service in INTAKE_SERVICES:
                steps += await _intake(lab, database, service)
            for service in (*INTAKE_SERVICES, *product.PROJECTIONS):
                steps += await _projections(database, service)
        steps.append(await _relay(lab, database))
        await check(database, INTAKE_SERVICES, projected=VIEWS)
    return Section("steps", [_table(steps)])


async def _intake(lab: Lab, database: Database, service: str) -> list[Step]:
    """Fetch, decode, and the transactions of one service, in one lane."""
    settings = database.settings.model_copy(update={"lanes": 1})
    meter = lab.meter([])
    servers, processor, clock = meter.read(), time.process_time(), time.perf_counter()
    records = await limit.read(settings, INTAKE_TOPICS[service].full_name(settings.topic_prefix))
    processor, clock = time.process_time() - processor, time.perf_counter() - clock
    fetched = Spent(processor, meter.read().since(servers).kafka, clock)
    side = await limit.prepare(service, settings)
    collect_seldom()  # as a service does
    with account() as statements:
        processor, clock = time.thread_time(), time.perf_counter()
        await side.drain()
        whole = Spent(time.thread_time() - processor, 0.0, time.perf_counter() - clock)
    side.pool.terminate()
    events = side.records
    steps = [Step(service, "fetch", fetched, events)]
    steps += [Step(service, name, spent, _SAMPLE) for name, spent in _decoding(INTAKE_TOPICS[service], records)]
    return steps + _statements(service, statements, whole, events)


def _decoding(topic: Topic, records: Sequence[Record]) -> Iterator[tuple[str, Spent]]:
    """What decoding takes: all of it, and its larger parts again by themselves."""
    values: list[bytes] = [record.value for record in islice(cycle(records), _SAMPLE)]
    envelopes = [read_envelope(value) for value in values]
    contents = [[it.type, datetime.fromisoformat(it.time), it.data] for it in envelopes]
    yield "decode, all of it", _timed(lambda: [decode(topic, value, (), _LATEST) for value in values])
    yield "· parse", _timed(lambda: [read_envelope(value) for value in values])
    yield "· validate", _timed(lambda: [EVENT_TYPES[it.type].read(it.data) for it in envelopes])
    yield "· hash", _timed(lambda: [blake2b(canonical(it), digest_size=16).digest() for it in contents])
    yield "what is not plain, all of it", _timed(lambda: [judge(topic, value, (), _LATEST) for value in values])


def _timed(work: Callable[[], object]) -> Spent:
    """What `work` takes, the least of five times: whatever disturbs it only adds, and the first takes the memory."""

    def once() -> Spent:
        processor, clock = time.process_time(), time.perf_counter()
        work()
        return Spent(time.process_time() - processor, 0.0, time.perf_counter() - clock)

    return min((once() for _ in range(5)), key=lambda spent: spent.client)


def _statements(work: str, statements: Account, whole: Spent, events: int) -> list[Step]:
    """The statements in order of their time, and before them what our own code took between them."""
    between = Spent(
        whole.client - sum(spent.client for spent in statements.values()), 0.0,
        whole.clock - sum(spent.clock for spent in statements.values()),
    )  # fmt: skip
    ordered = sorted(statements.items(), key=lambda item: -item[1].clock)
    long = [(name, spent) for name, spent in ordered if spent.clock >= _SHORT * events]
    short = [spent for _, spent in ordered[len(long) :]]
    rest = sum(short, Spent())
    named = [("our code between statements", between), *long, (f"{len(short)} short statements", rest)]
    return [Step(work, name, spent, events) for name, spent in named]


async def _projections(database: Database, service: str) -> list[Step]:
    """The views of one service, until none of their marks is left."""
    wired: Service = import_module(f"services.{service}.app").SERVICE
    pool = await connect_pool(database.settings, service)
    metrics, pulse = ServiceMetrics(service), Pulse(database.settings.watchdog_timeout)
    parts = await wired.build(Tools(database.settings, pool, metrics, pulse))
    steps: list[Step] = []
    for view in parts.views:
        projection = Projection(view, service, pool, database.settings, metrics, pulse)
        with account() as statements:
            processor, clock = time.thread_time(), time.perf_counter()
            while await projection.sweep():
                pass
            whole = Spent(time.thread_time() - processor, 0.0, time.perf_counter() - clock)
        steps += _statements(f"view {view.name}", statements, whole, database.backlog.total)
    pool.terminate()
    return steps


async def _relay(lab: Lab, database: Database) -> Step:
    work = await product.relay(lab, database)
    spent = Spent(work.spent.contender, work.spent.postgres + work.spent.kafka, work.spent.seconds)
    return Step("outbox_relay", "the whole process", spent, database.backlog.total)


def _table(steps: Sequence[Step]) -> Table:
    rows = [
        (step.work, step.name, *(1e6 * part / step.events for part in (step.spent.client, step.spent.server)),
         1e6 * step.spent.clock / step.events, step.spent.times or None)
        for step in steps
    ]  # fmt: skip
    columns = ("work", "step", "#client, CPU-µs", "#server, CPU-µs", "#clock, µs", "#times")
    return Table(
        "microseconds an event, by step",
        columns,
        rows,
        "Per event of the service; of views and the relay, per event of all three. The server is Postgres, of fetch"
        " Kafka, of the relay both. One thing at a time: the clock has the waiting that a second lane would use.",
    )
