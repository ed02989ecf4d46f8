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

from tests.benchmarks.meters import MEBIBYTE

RESULTS = Path("build/bench/results.json")
RATES = (10_000, 100_000, 1_000_000)
INTAKE = ("sponsor_activity", "email_engagement", "ticket_sales")
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
    """The cost of intake (the three services' average, each alone), and of all that an event leads to."""

    intake: Cost
    whole: Cost


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What is not measured here. Each has its unit in its name."""

    busy_share_of_a_core: float = 0.6
    postgres_cores: int = 64
    wal_megabytes_a_second: float = 500.0
    commit_milliseconds: float = 2.0
    batch_records: int = 4000
    hottest_partition_to_the_mean: float = 2.0
    partitions_step: int = 12
    record_bytes: int = 400
    kafka_copies: int = 3
    mean_to_peak: float = 0.1


@dataclass(frozen=True, slots=True)
class Need:
    """What a rate of events needs. `first` says what of a Postgres primary is full first."""

    rate: int
    batch_milliseconds: float
    partitions: int
    intake_processes: int
    other_cores: float
    postgres_cores: float
    wal_megabytes_a_second: float
    first: str
    primaries: int
    kafka_cores: float
    kafka_megabytes_a_second: float
    gigabytes_a_day: float


def inputs_of(results: Mapping[str, Any]) -> Inputs:
    """Find the costs in the document that the benchmark wrote. Raises LookupError where it has none."""
    for section in results["sections"]:
        for table in section["tables"]:
            if table["title"].startswith("cost of ") and table["columns"][0] == "work":
                unit = int(table["title"].split()[2].replace(",", ""))
                costs = {row[0]: _cost(row[1:], unit) for row in table["rows"]}
                [whole] = (cost for work, cost in costs.items() if work not in INTAKE)
                each = [costs[service] for service in INTAKE]
                mean = [sum(getattr(cost, field.name) for cost in each) / len(each) for field in fields(Cost)]
                return Inputs(Cost(*mean), whole)
    raise LookupError("the results have no table of costs: they are of a run without `throughput`")


def _cost(row: Sequence[float], unit: int) -> Cost:
    services, postgres, kafka, wal, tables, indexes = row
    microseconds, size = 1e6 / unit, MEBIBYTE / unit
    return Cost(
        services * microseconds, postgres * microseconds, kafka * microseconds, wal * size, (tables + indexes) * size
    )


def need(inputs: Inputs, rate: int, given: Assumptions) -> Need:
    """Compute what `rate` events a second need."""
    intake, whole = inputs.intake, inputs.whole
    # A partition's batches follow one another: decoded, written and committed before the next is.
    batch = given.batch_records * (intake.services + intake.postgres) / 1e6 + given.commit_milliseconds / 1000
    of_a_partition = given.batch_records / batch / given.hottest_partition_to_the_mean
    # A process of ours computes on one core.
    of_a_process = given.busy_share_of_a_core * 1e6 / intake.services
    ceilings = {
        "processors": given.postgres_cores * given.busy_share_of_a_core * 1e6 / whole.postgres,
        "log": given.wal_megabytes_a_second * 1e6 / whole.wal,
    }
    first = min(ceilings, key=lambda limit: ceilings[limit])
    return Need(
        rate=rate,
        batch_milliseconds=1000 * batch,
        partitions=given.partitions_step * ceil(rate / of_a_partition / given.partitions_step),
        intake_processes=ceil(rate / of_a_process),
        other_cores=_cores(rate, whole.services - intake.services, given),
        postgres_cores=_cores(rate, whole.postgres, given),
        wal_megabytes_a_second=rate * whole.wal / 1e6,
        first=first,
        primaries=ceil(rate / ceilings[first]),
        kafka_cores=_cores(rate, whole.kafka, given),
        kafka_megabytes_a_second=rate * given.record_bytes * given.kafka_copies / 1e6,
        gigabytes_a_day=rate * given.mean_to_peak * whole.kept * _DAY / 1e9,
    )


def _cores(rate: int, microseconds: float, given: Assumptions) -> float:
    return rate * microseconds / 1e6 / given.busy_share_of_a_core


def markdown(inputs: Inputs, given: Assumptions) -> str:
    """Inputs, assumptions, and what each rate needs, as tables."""
    costs = [
        [field.name, f"{getattr(inputs.intake, field.name):,.1f}", f"{getattr(inputs.whole, field.name):,.1f}"]
        for field in fields(Cost)
    ]
    assumed = [[field.name.replace("_", " "), f"{getattr(given, field.name):g}"] for field in fields(Assumptions)]
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
            _table(["events a second", *(f"{rate:,}" for rate in RATES)], rows),
        )
    )


def _shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:,.0f}"


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
