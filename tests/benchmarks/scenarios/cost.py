"""What events cost: processor time, bytes of WAL, and bytes that stay; from the product's runs, scaled to 100,000."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.benchmarks.contenders.product import Work
from tests.benchmarks.meters import MEBIBYTE, Stored
from tests.benchmarks.results import Cell, Table

UNIT = 100_000
_LARGEST = 12
"""Tables that are named; the rest are added up."""


@dataclass(frozen=True, slots=True)
class Bill:
    """Work of the product on a number of records, the first of which were settled before it was looked at."""

    work: Work
    records: int


def tables(bills: Mapping[str, Bill]) -> list[Table]:
    """What each kind of work cost, and where the bytes of the last, which has all of them, went."""
    columns = (
        "work", "#service, CPU-s", "#Postgres, CPU-s", "#Kafka, CPU-s", "#WAL, MiB", "#tables, MiB", "#indexes, MiB",
    )  # fmt: skip
    rows = [_row(name, bill) for name, bill in bills.items()]
    note = "From the moment that the services are let go, so with the fetching of records; without their start."
    *_, (name, last) = bills.items()
    return [Table(f"cost of {UNIT:,} events", columns, rows, note), _by_table(name, last)]


def _row(name: str, bill: Bill) -> tuple[Cell, ...]:
    spent, share = bill.work.spent, UNIT / bill.records
    total = sum(bill.work.grown.values(), Stored(0, 0))
    return (
        name, spent.contender * share, spent.postgres * share, spent.kafka * share,
        *(count * share / MEBIBYTE for count in (spent.wal_bytes, total.table, total.indexes)),
    )  # fmt: skip


def _by_table(name: str, bill: Bill) -> Table:
    share = UNIT / bill.records / MEBIBYTE
    largest = sorted(bill.work.grown.items(), key=lambda item: -item[1].table - item[1].indexes)
    rows = [(table, grown.table * share, grown.indexes * share) for table, grown in largest[:_LARGEST]]
    rest = sum((grown for _, grown in largest[_LARGEST:]), Stored(0, 0))
    rows.append((f"{max(0, len(largest) - _LARGEST)} others", rest.table * share, rest.indexes * share))
    columns = ("table", "#table, MiB", "#indexes, MiB")
    return Table(f"where the bytes of {UNIT:,} events go: {name}", columns, rows)
