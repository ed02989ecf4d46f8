"""How fast a mixed backlog goes down: the product, its limit, and who else does such things; and what that costs.

In one run, on the same records, each contender into a database of its own. Contenders take turns and rounds are
repeated; a ratio to the limit is the median of the rounds' own ratios, for the machine's speed drifts.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median

from services.operator.processes import INTAKE_SERVICES, SERVICES
from tests.benchmarks.checks import VIEWS, check
from tests.benchmarks.contenders import arroyo_psycopg, copy_rows, jdbc_sink, limit, plain_faust, product
from tests.benchmarks.contenders.product import Work
from tests.benchmarks.draining import Drained
from tests.benchmarks.lab import Backlog, Database, Lab
from tests.benchmarks.results import Bars, Cell, Requirement, Section, Table
from tests.benchmarks.scenarios import cost
from tests.benchmarks.scenarios.cost import Bill

Rival = Callable[[Lab, Database, str], Awaitable[Drained]]
PRODUCT, PAIR = "EventOS", "EventOS, two processes"
LIMIT, LIMIT_PAIR, COPY = "limit", "limit, two processes", "COPY of the facts"
PLAIN, CONNECT, ARROYO = "plain Faust agent", "Kafka Connect JDBC sink", "Arroyo and psycopg"
RIVALS: Mapping[str, Rival] = {PLAIN: plain_faust.drain, CONNECT: jdbc_sink.drain, ARROYO: arroyo_psycopg.drain}
"""Each does this for every intake service, save the last, which knows one."""
ALL, INTAKE = "all together: facts, views, told", "the three intake services together"


@dataclass
class Seen:
    """Records a second, by contender and what it drained, one figure a round; and the product's last runs."""

    rates: defaultdict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    bills: dict[str, Bill] = field(default_factory=dict)
    projections: dict[str, Work] = field(default_factory=dict)

    def rate(self, contender: str, what: str) -> float | None:
        """The median over the rounds, None where it has not done that."""
        rates = self.rates.get((contender, what))
        return median(rates) if rates else None

    def ratio(self, form: str, contender: str, what: str) -> float | None:
        """The product, in one of its forms, to a contender; to the limit, to that of as many processes."""
        ratios = self.ratios(form, contender, what)
        return median(ratios) if ratios else None

    def ratios(self, form: str, contender: str, what: str) -> list[float]:
        """The same for each round, or of the medians where one of them took no turns."""
        own = self.rates.get((form, what), [])
        theirs = self.rates.get((LIMIT_PAIR if (form, contender) == (PAIR, LIMIT) else contender, what), [])
        if not own or not theirs:
            return []
        if len(own) != len(theirs):
            return [median(own) / median(theirs)]
        return [a / b for a, b in zip(own, theirs, strict=True)]


async def run(lab: Lab) -> Section:
    """Drain, check each time, and compare."""
    backlog, seen = await lab.backlog(), Seen()
    for number in range(lab.scale.rounds):
        lab.say(f"round {number + 1} of {lab.scale.rounds}")
        for service in INTAKE_SERVICES:
            await _alone(lab, backlog, service, seen)
        await _together(lab, backlog, seen)
    for service in INTAKE_SERVICES:
        await _rivals(lab, backlog, service, seen)
    await _projections(lab, backlog, seen)
    return _section(backlog, seen)


async def _alone(lab: Lab, backlog: Backlog, service: str, seen: Seen) -> None:
    """The limit of a service, and the service; as one process and as two, for a process of Python has but one core."""
    for processes, limited, form in ((1, LIMIT, PRODUCT), (2, LIMIT_PAIR, PAIR)):
        async with lab.database(backlog, f"limit_{service}_{processes}") as database:
            drained = await limit.drain(lab, database, [service], processes=processes)
            await check(database, [service])
            _note(lab, seen, limited, service, drained)
            if processes == 1:
                _note(lab, seen, COPY, service, await copy_rows.drain(database, service))
        async with lab.database(backlog, f"product_{service}_{processes}") as database:
            work = await product.drain(lab, database, [service], replicas=processes)
            await check(database, [service])
            _note(lab, seen, form, service, work.drained)
            if processes == 1:
                seen.bills[service] = Bill(work, backlog.counts[service])


async def _together(lab: Lab, backlog: Backlog, seen: Seen) -> None:
    async with lab.database(backlog, "limit_together") as database:
        drained = await limit.drain(lab, database, INTAKE_SERVICES)
        await check(database, INTAKE_SERVICES)
        for what in (INTAKE, ALL):
            _note(lab, seen, LIMIT, what, drained)
    async with lab.database(backlog, "product_together") as database:
        work = await product.drain(lab, database, SERVICES)
        await check(database, INTAKE_SERVICES, projected=VIEWS)
        _note(lab, seen, PRODUCT, ALL, work.drained)
        seen.bills[ALL] = Bill(work, backlog.total)


async def _rivals(lab: Lab, backlog: Backlog, service: str, seen: Seen) -> None:
    for name, drain in RIVALS.items():
        if name != ARROYO or service == arroyo_psycopg.SERVICE:
            async with lab.database(backlog, f"rival_{service}") as database:
                _note(lab, seen, name, service, await drain(lab, database, service))


async def _projections(lab: Lab, backlog: Backlog, seen: Seen) -> None:
    """Let intake leave everything stale, then each projection alone compute, and the relay send."""
    async with lab.database(backlog, "projections") as database:
        _note(lab, seen, PRODUCT, INTAKE, (await product.drain(lab, database, INTAKE_SERVICES)).drained)
        for service in product.PROJECTIONS:
            seen.projections[service] = await product.project(lab, database, service)
        seen.projections["outbox_relay"] = await product.relay(lab, database)
        await check(database, INTAKE_SERVICES, projected=VIEWS)


def _note(lab: Lab, seen: Seen, contender: str, what: str, drained: Drained) -> None:
    seen.rates[contender, what].append(drained.rate)
    lab.say(f"{what}, {contender}: {drained.rate:,.0f}/s")


def _section(backlog: Backlog, seen: Seen) -> Section:
    contenders = (PRODUCT, PAIR, LIMIT, LIMIT_PAIR, COPY, *RIVALS)
    others = (LIMIT, COPY, *RIVALS)
    whats = (*INTAKE_SERVICES, INTAKE, ALL)
    rates = Table(
        f"events a second: a mixed backlog of {backlog.total:,}",
        ("drained", *(f"#{name}" for name in contenders)),
        [(what, *(seen.rate(contender, what) for contender in contenders)) for what in whats],
        "The limit: the same batches, decoded beforehand, through the same transactions; of several services, a process"
        " of each.",
    )
    ratios = Table(
        "EventOS to the others",
        ("drained", "by", *(f"#{name}" for name in others)),
        [
            (what, form, *(seen.ratio(form, contender, what) for contender in others))
            for what in whats
            for form in (PRODUCT, PAIR)
            if seen.rate(form, what)
        ],
        "To the limit of as many processes. All together, six processes, to the limit of the three that take in.",
    )
    by_round = Table(
        "EventOS to the limit, round by round",
        ("drained", "by", "#lowest", "#median", "#highest"),
        [
            (what, form, min(found), median(found), max(found))
            for what in whats
            for form in (PRODUCT, PAIR)
            if (found := seen.ratios(form, LIMIT, what))
        ],
    )
    bars = Bars(
        "events a second", "events/s", whats,
        {contender: [seen.rate(contender, what) for what in whats] for contender in contenders},
    )  # fmt: skip
    return Section(
        "throughput",
        [rates, ratios, by_round, _projected(backlog, seen.projections), *cost.tables(seen.bills)],
        [*_requirements(seen)],
        [bars],
    )


def _projected(backlog: Backlog, projections: Mapping[str, Work]) -> Table:
    columns = (
        "service", "#units", "#units/s", "#service, CPU-µs/unit", "#Postgres, CPU-µs/unit", "#events/s that is",
    )  # fmt: skip

    def row(service: str, work: Work) -> tuple[Cell, ...]:
        units = work.drained.settled
        each = [1e6 * seconds / units for seconds in (work.spent.contender, work.spent.postgres)]
        return (service, units, work.drained.rate, *each, backlog.total / work.drained.seconds)

    return Table(
        f"what follows from {backlog.total:,} events, each alone, once intake is done",
        columns,
        [row(service, work) for service, work in projections.items()],
        "Units: stale leads, stale dashboards, outbox rows. A lead is computed once, however many events touched it.",
    )


def _requirements(seen: Seen) -> Iterator[Requirement]:
    """What must be seen. Connect has two tasks, so it is two processes that must be faster."""
    for service in INTAKE_SERVICES:
        for form, rival, bound in (
            (PAIR, LIMIT, 0.75),
            (PRODUCT, PLAIN, 30.0),
            (PAIR, CONNECT, 1.0),
            (PRODUCT, ARROYO, 1.0),
        ):
            yield from _at_least(bound, f"{service}, to the {rival}", seen.ratio(form, rival, service))
    yield from _at_least(0.6, f"{ALL}, to the {LIMIT}", seen.ratio(PRODUCT, LIMIT, ALL))


def _at_least(bound: float, what: str, ratio: float | None) -> Iterator[Requirement]:
    if ratio is not None:
        yield Requirement(what, ratio, "at least", bound, "×")
