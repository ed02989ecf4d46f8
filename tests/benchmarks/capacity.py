"""`make capacity`: what a cluster needs for 10,000, 100,000 and a million events a second, by what an event costs.

python -m tests.benchmarks.capacity [build/bench/results.json]

Costs are those that `make bench` measured and wrote there; everything else is an assumption, named in `Assumptions`
and printed with the rest. docs/capacity.md explains the arithmetic and has a table that this printed.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import ceil
from pathlib import Path
from typing import Any

import orjson

from tests.benchmarks.contenders.product import BATCH_RECORDS
from tests.benchmarks.lab import MIXTURE
from tests.benchmarks.meters import MEBIBYTE

RESULTS = Path("build/bench/results.json")
RATES = (10_000, 100_000, 1_000_000)
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Cost:
    """An event's: processor µs of the services, of Postgres and of Kafka; bytes of log, and bytes that stay."""

    services: float
    postgres: float
    kafka: float
    wal: float
    kept: float


@dataclass(frozen=True, slots=True)
class Inputs:
    """What an event costs.

    `intake` alone is the mean of the three services, each alone, by their shares of all events; `whole` is all that an
    event leads to. `relay` is the µs of the relay's process. `late_wal` is the bytes of log that are added beside a
    ledger of millions, whose pages are seldom touched twice between two checkpoints; `ledger_index` the bytes of the
    ledger's index.
    """

    intake: Cost
    whole: Cost
    relay: float
    late_wal: float
    ledger_index: float


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What is not measured here. Each has its unit in its name."""

    busy_share: float = 0.6
    postgres_cores: int = 64
    postgres_memory_gigabytes: float = 256.0
    wal_megabytes_a_second: float = 500.0
    commit_milliseconds: float = 2.0
    batch_records: int = BATCH_RECORDS
    busiest_key_share: float = 0.005
    partitions_step: int = 12
    record_bytes: int = 400
    kafka_copies: int = 3
    mean_to_peak: float = 0.1


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Events a second at which something is full, and what it is that is full."""

    rate: float
    what: str


@dataclass(frozen=True, slots=True)
class Need:
    """What a rate of events needs. `full` names what one installation has too little of; `partitions` is None where
    the busiest key alone is too much for one.
    """

    rate: int
    full: str
    installations: int
    partitions: int | None
    intake_processes: int
    projection_and_relay_cores: float
    postgres_cores: float
    wal_megabytes_a_second: float
    kafka_cores: float
    kafka_megabytes_a_second: float
    stored_gigabytes_a_day: float
    days_until_the_ledgers_index_fills_memory: float


def inputs_of(results: Mapping[str, Any]) -> Inputs:
    """Find the costs in the document that the benchmark wrote. Raises LookupError where it has none."""
    tables = {table["title"]: table for section in results["sections"] for table in section["tables"]}

    def rows(begins: str) -> tuple[str, list[list[Any]]]:
        for title, table in tables.items():
            if title.startswith(begins):
                return title, table["rows"]
        raise LookupError(f'the results have no table "{begins}…": they are of a run without `throughput`')

    title, costs = rows("cost of ")
    unit = int(title.split()[2].replace(",", ""))
    each = {row[0]: _cost(row[1:], unit) for row in costs}
    [whole] = (cost for work, cost in each.items() if work not in MIXTURE)
    intake = [
        sum(getattr(each[service], field.name) * tenths / 10 for service, tenths in MIXTURE.items())
        for field in fields(Cost)
    ]
    followed, works = rows("what follows from ")
    [relayed] = (row for row in works if row[0] == "outbox_relay")
    _, stored = rows("where the bytes of ")
    [ledger] = (row for row in stored if row[0] == "processed_events")
    return Inputs(
        Cost(*intake),
        whole,
        relay=relayed[1] * relayed[3] / int(followed.split()[3].replace(",", "")),
        late_wal=_late_wal(tables),
        ledger_index=ledger[2] * MEBIBYTE / unit,
    )


def _late_wal(tables: Mapping[str, Mapping[str, Any]]) -> float:
    """What is added to the log beside the largest ledger; nothing is known of that where growth was not measured."""
    for title, table in tables.items():
        if title.startswith("events/s beside a ledger"):
            empty, *_, largest = table["rows"]
            return max(0.0, float(largest[3] - empty[3]))
    return 0.0


def _cost(row: Sequence[float], unit: int) -> Cost:
    services, postgres, kafka, wal, tables, indexes = row
    microseconds, size = 1e6 / unit, MEBIBYTE / unit
    return Cost(
        services * microseconds, postgres * microseconds, kafka * microseconds, wal * size, (tables + indexes) * size
    )


def batch_seconds(inputs: Inputs, given: Assumptions) -> float:
    """A partition's batches follow one another: decoded, written and committed before the next is."""
    cost = inputs.intake.services + inputs.intake.postgres
    return given.batch_records * cost / 1e6 + given.commit_milliseconds / 1000


def ceilings(inputs: Inputs, given: Assumptions) -> list[Ceiling]:
    """What one installation carries, as busy as things may be: the least first."""
    of_a_partition = given.batch_records / batch_seconds(inputs, given)
    found = [
        Ceiling(of_a_partition * given.busy_share / given.busiest_key_share, "the busiest key's partition"),
        Ceiling(given.busy_share * 1e6 / inputs.relay, "the relay"),
        Ceiling(given.wal_megabytes_a_second * 1e6 / (inputs.whole.wal + inputs.late_wal), "the log"),
        Ceiling(given.postgres_cores * given.busy_share * 1e6 / inputs.whole.postgres, "Postgres' processors"),
    ]
    return sorted(found, key=lambda ceiling: ceiling.rate)


def need(inputs: Inputs, rate: int, given: Assumptions) -> Need:
    """Compute what `rate` events a second need."""
    intake, whole = inputs.intake, inputs.whole
    limits = ceilings(inputs, given)
    stored = rate * given.mean_to_peak * _DAY
    return Need(
        rate=rate,
        full=", ".join(limit.what for limit in limits if limit.rate < rate) or "nothing",
        installations=ceil(rate / limits[0].rate),
        partitions=_partitions(inputs, rate, given),
        # A process of ours computes on one core, and there are three services.
        intake_processes=max(len(MIXTURE), ceil(_cores(rate, intake.services, given))),
        projection_and_relay_cores=_cores(rate, whole.services - intake.services, given),
        postgres_cores=_cores(rate, whole.postgres, given),
        wal_megabytes_a_second=rate * (whole.wal + inputs.late_wal) / 1e6,
        kafka_cores=_cores(rate, whole.kafka, given),
        kafka_megabytes_a_second=rate * given.record_bytes * given.kafka_copies / 1e6,
        stored_gigabytes_a_day=stored * whole.kept / 1e9,
        days_until_the_ledgers_index_fills_memory=given.postgres_memory_gigabytes
        * 1e9
        / (stored * inputs.ledger_index),
    )


def _partitions(inputs: Inputs, rate: int, given: Assumptions) -> int | None:
    """So many that the one with the busiest key is no busier than it may be, beside its share of all others."""
    of_a_partition = given.busy_share * given.batch_records / batch_seconds(inputs, given)
    room = of_a_partition / rate - given.busiest_key_share
    if room <= 0:
        return None
    return given.partitions_step * ceil((1 - given.busiest_key_share) / room / given.partitions_step)


def _cores(rate: int, microseconds: float, given: Assumptions) -> float:
    return rate * microseconds / 1e6 / given.busy_share


def markdown(inputs: Inputs, given: Assumptions) -> str:
    """Inputs, assumptions, what is full at which rate, and what each rate needs, as tables."""
    costs = [
        [field.name, f"{getattr(inputs.intake, field.name):,.1f}", f"{getattr(inputs.whole, field.name):,.1f}"]
        for field in fields(Cost)
    ]
    costs += [
        ["relay, of the services", "", f"{inputs.relay:,.1f}"],
        ["wal, more beside a large ledger", f"{inputs.late_wal:,.1f}", f"{inputs.late_wal:,.1f}"],
        ["the ledger's index, of what is kept", f"{inputs.ledger_index:,.1f}", f"{inputs.ledger_index:,.1f}"],
    ]
    assumed = [[field.name.replace("_", " "), f"{getattr(given, field.name):g}"] for field in fields(Assumptions)]
    full = [[limit.what, _shown(round(limit.rate, -3))] for limit in ceilings(inputs, given)]
    needs = [need(inputs, rate, given) for rate in RATES]
    rows = [
        [field.name.replace("_", " "), *(_shown(getattr(each, field.name)) for each in needs)]
        for field in fields(Need)
        if field.name != "rate"
    ]
    return "\n\n".join(
        (
            _table(["an event costs", "intake", "all it leads to"], costs),
            _table(["assumed", ""], assumed),
            _table(["full in one installation", "at events a second"], full),
            _table(["events a second", *(f"{rate:,}" for rate in RATES)], rows),
        )
    )


def _shown(value: float | str | None) -> str:
    if value is None or isinstance(value, str):
        return value or "–"
    return f"{value:,.1f}" if value < 10 and value != int(value) else f"{value:,.0f}"


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    line = ["---", *("--:" for _ in heading[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in (heading, line, *rows))


def main(path: Path = RESULTS) -> None:
    """Print the tables; say so, and fail, where nothing was measured yet."""
    try:
        inputs = inputs_of(orjson.loads(path.read_bytes()))
    except (FileNotFoundError, LookupError) as error:
        sys.exit(f"{error}\nMeasure first: make bench")
    print(markdown(inputs, Assumptions()))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
