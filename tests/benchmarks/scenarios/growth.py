"""Whether intake keeps its speed as things grow: the ledger, one busy key, sponsors, partitions, and events.

All by sponsor_activity, whose ids are random, draining a backlog of its own into a database of its own; endurance.py
has what all services do over many records.
"""

from collections.abc import Mapping
from statistics import median
from typing import LiteralString

from tests.benchmarks.checks import check
from tests.benchmarks.contenders import product
from tests.benchmarks.contenders.product import Work
from tests.benchmarks.lab import Backlog, Database, Lab
from tests.benchmarks.results import Cell, Requirement, Section, Table
from tests.benchmarks.scenarios.own_topics import SERVICE, padded, publish, usual
from tests.benchmarks.workload import Workload

USUAL, ONE_SPONSOR, ONE_EVENT = "as usual", "all on one sponsor", "all on one event"
KIBIBYTE = 1024
_AT_ONCE = 1_000_000
# As they come: an index that was built from sorted rows has full pages, which the next rows would all split.
_FILL: LiteralString = """
    INSERT INTO processed_events (identity, source, id, content_hash, service, partition, record_offset)
    SELECT gen_random_uuid(), '/before', number::text, decode(md5(number::text), 'hex'), 'sponsor_activity', 0, number
      FROM generate_series(1::bigint, $1) AS number
"""


async def run(lab: Lab) -> Section:
    """Measure each kind of growth."""
    number = 150_000 if lab.scale.full else 40_000
    workload = Workload()
    backlog = await publish(lab, "growth.", workload, usual(workload, number))
    ledger, kept = await _ledger(lab, backlog)
    spread, requirements = await _spread(lab, backlog, number)
    return Section(
        "growth",
        tables=[
            ledger,
            spread,
            await _partitions(lab, workload, number),
            await _sizes(lab, backlog, workload, number),
        ],
        requirements=[*kept, *requirements],
    )


async def _usual_rate(lab: Lab, backlog: Backlog, name: str) -> float:
    """The median of as many drains as there are rounds."""
    return median([await _rate(lab, backlog, f"{name}_{turn}") for turn in range(lab.scale.rounds)])


async def _rate(lab: Lab, backlog: Backlog, name: str) -> float:
    async with lab.database(backlog, name) as database:
        return (await _drain(lab, database)).drained.rate


async def _drain(lab: Lab, database: Database, before: int = 0) -> Work:
    work = await product.drain(lab, database, [SERVICE])
    lab.say(f"{database.name}: {work.drained.rate:,.0f} events/s")
    await check(database, [SERVICE], before=before)
    return work


async def _ledger(lab: Lab, backlog: Backlog) -> tuple[Table, list[Requirement]]:
    """Drain beside ledgers of several sizes; beside the empty one first and last, for the machine's speed drifts."""
    sizes = (1_000_000, 10_000_000) if lab.scale.full else (200_000, 1_000_000)
    empty = [await _beside_ledger(lab, backlog, 0, "first")]
    filled = {size: await _beside_ledger(lab, backlog, size, "once") for size in sizes}
    empty.append(await _beside_ledger(lab, backlog, 0, "last"))
    base = median(work.drained.rate for work in empty)

    def row(size: int, rate: float, *works: Work) -> list[Cell]:
        log = median(work.spent.wal_bytes for work in works) / backlog.total
        return [size, rate, rate / base, log]

    table = Table(
        f"events/s beside a ledger, {backlog.total:,} events with random ids",
        ["#rows before", "#events/s", "#to the empty one", "#WAL, bytes an event"],
        [row(0, base, *empty), *(row(size, work.drained.rate, work) for size, work in filled.items())],
        note="after a checkpoint, so that each page touched is once written whole to the log",
    )
    largest = max(filled)
    what = f"intake beside a ledger of {largest:,} rows, to the empty one"
    return table, [Requirement(what, round(filled[largest].drained.rate / base, 2), "at least", 0.7, "×")]


async def _beside_ledger(lab: Lab, backlog: Backlog, size: int, turn: str) -> Work:
    async with lab.database(backlog, f"ledger_{size}_{turn}") as database:
        for start in range(0, size, _AT_ONCE):
            await database.connection.execute(_FILL, min(_AT_ONCE, size - start))
        await database.connection.execute("VACUUM ANALYZE processed_events")
        await database.connection.execute("CHECKPOINT")
        return await _drain(lab, database, size)


async def _spread(lab: Lab, backlog: Backlog, number: int) -> tuple[Table, list[Requirement]]:
    """Drain what is all on one key beside the usual, round by round; and what is on very many."""
    one_sponsor, one_event = Workload(sponsors=1), Workload(events=1)
    many = Workload(sponsors=200_000 if lab.scale.full else 20_000)
    cases = {
        USUAL: backlog,
        ONE_SPONSOR: await publish(lab, "one-sponsor.", one_sponsor, usual(one_sponsor, number)),
        ONE_EVENT: await publish(lab, "one-event.", one_event, usual(one_event, number)),
        f"{len(many.sponsors):,} sponsors": await publish(lab, "many-sponsors.", many, usual(many, number)),
    }
    rounds = [
        {case: await _rate(lab, own, f"spread_{place}_{turn}") for place, (case, own) in enumerate(cases.items())}
        for turn in range(lab.scale.rounds)
    ]
    ratios: Mapping[str, float] = {case: median(found[case] / found[USUAL] for found in rounds) for case in cases}
    rates = {case: median(found[case] for found in rounds) for case in cases}
    table = Table(
        f"events/s by how {number:,} events are spread",
        ["spread", "#events/s", "#to the usual"],
        [[case, rates[case], ratios[case]] for case in cases],
        note=f"as usual: {len(backlog.workload.sponsors):,} sponsors, {len(backlog.workload.events)} events, a few of"
        " them with most of the traffic; what is on one sponsor is in one partition",
    )
    return table, [
        Requirement(f"{case}, to the usual", round(ratios[case], 2), "at least", 0.8, "×")
        for case in (ONE_SPONSOR, ONE_EVENT)
    ]


async def _partitions(lab: Lab, workload: Workload, number: int) -> Table:
    rows = []
    for partitions in (1, 6, 24):
        records = usual(workload, number)
        backlog = await publish(lab, f"partitions-{partitions}.", workload, records, partitions=partitions)
        rows.append([partitions, await _usual_rate(lab, backlog, f"partitions_{partitions}")])
    return Table(f"events/s by the topic's partitions, {number:,} events", ["#partitions", "#events/s"], rows)


async def _sizes(lab: Lab, backlog: Backlog, workload: Workload, number: int) -> Table:
    small = await publish(lab, "kibibyte.", workload, padded(usual(workload, number), KIBIBYTE))
    few = 20_000 if lab.scale.full else 12_000
    large = await publish(lab, "large.", workload, padded(usual(workload, few), 30 * KIBIBYTE))
    cases = {"0.4": backlog, "1": small, "30": large}
    rows = []
    for size, own in cases.items():
        rate = await _usual_rate(lab, own, f"size_{size.replace('.', '_')}")
        rows.append([float(size), own.total, rate, rate * float(size) / KIBIBYTE])
    return Table("events/s by their size", ["#KiB an event", "#events", "#events/s", "#MiB/s"], rows)
