"""How results are told: on the terminal, as JSON, and in docs/performance.md."""

import platform
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import orjson
import psutil
import psycopg
from rich.console import Console

from infra.local.stack import JARS
from services.operator.output import as_table
from tests.benchmarks.lab import Lab
from tests.benchmarks.results import Cell, Requirement, Results, Section, Table

DOCUMENT = Path(__file__).parents[2] / "docs" / "performance.md"
BEGIN, END = "<!-- {}: begin -->", "<!-- {}: end -->"
"""Around the results of each scenario in the document."""
_WIDTH = 200


def found(lab: Lab, sections: Sequence[Section]) -> Results:
    """Put sections together with where and when they were found."""
    with psycopg.connect(lab.stack.addresses.database_url) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    assert row is not None
    brokers = sorted(jar.stem.removeprefix("kafka-clients-") for jar in JARS.glob("kafka-clients-*.jar"))
    machine = {
        "commit": _commit(),
        "processors": str(psutil.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()}, {platform.machine()}",
        "Python": platform.python_version(),
        "PostgreSQL": row[0].split()[0],
        "Kafka": ", ".join(brokers),
    }
    return Results(datetime.now(UTC).isoformat(timespec="minutes"), machine, lab.scale.records, sections)


def _commit() -> str:
    """The commit of what was measured, and whether anything but pages differs from it."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=DOCUMENT.parent, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    head, changed = git("rev-parse", "--short", "HEAD"), git("status", "--porcelain", "--", ":/", ":!/docs")
    return f"{head or 'unknown'}{' with changes' if changed else ''}"


def as_json(results: Results) -> bytes:
    """The results as one JSON document; each requirement says whether it was met."""
    document = asdict(results)
    for section, plain in zip(results.sections, document["sections"], strict=True):
        for requirement, row in zip(section.requirements, plain["requirements"], strict=True):
            row["met"] = requirement.met
    return orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n"


def print_results(console: Console, results: Results) -> None:
    """Print all tables, and at the end every requirement, those that were missed too."""
    for section in results.sections:
        for table in section.tables:
            shown_rows = [[shown(cell) for cell in row] for row in table.rows]
            console.print(as_table(table.columns, shown_rows, title=table.title))
            console.print(f"{table.note}\n" if table.note else "", style="dim")
    if results.requirements:
        table = required(results.requirements)
        console.print(as_table(table.columns, table.rows, title=table.title))


def required(requirements: Sequence[Requirement]) -> Table:
    """A row for each requirement: what was measured, what was asked for, and the verdict."""
    rows = [
        (it.what, f"{shown(it.measured)} {it.unit}".strip(), f"{it.sense} {it.bound:g} {it.unit}".strip(), _verdict(it))
        for it in requirements
    ]
    return Table("requirements", ("requirement", "#measured", "#asked for", "verdict"), rows)


def _verdict(requirement: Requirement) -> str:
    return "met" if requirement.met else "MISSED"


def shown(cell: Cell) -> str | None:
    """A cell for people: three digits of a number, or all before the point."""
    if not isinstance(cell, float):
        return f"{cell:,}" if isinstance(cell, int) else cell
    size = abs(cell)
    return f"{cell:,.0f}" if size >= 100 else f"{cell:.1f}" if size >= 10 else f"{cell:.2f}"


def write_document(results: Results, document: Path = DOCUMENT) -> None:
    """Put each section between its marks in the document, in place of another. Raises ValueError without marks."""
    text = document.read_text("utf-8")
    for section in results.sections:
        begin, end = BEGIN.format(section.name), END.format(section.name)
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"{document} must have the marks {begin} and {end} once each")
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        lines = "\n".join(_markdown(results, section))
        text = f"{before}{begin}\n{lines}\n{end}{after}"
    document.write_text(text, "utf-8")


def _markdown(results: Results, section: Section) -> Iterator[str]:
    where = ", ".join(f"{name} {fact}" for name, fact in results.machine.items())
    yield f"Measured {results.begun}, mixed backlog of {results.records:,} records; {where}.\n"
    if section.requirements:
        yield from _markdown_table(required(section.requirements))
    for table in section.tables:
        yield from _markdown_table(table)


def _markdown_table(table: Table) -> Iterator[str]:
    yield f"**{table.title[0].upper()}{table.title[1:]}**\n"
    yield _line(column.removeprefix("#") for column in table.columns)
    yield _line("--:" if column.startswith("#") else "---" for column in table.columns)
    for row in table.rows:
        yield _line(shown(cell) or "–" for cell in row)
    yield f"\n{table.note}\n" if table.note else ""


def _line(cells: Iterator[str]) -> str:
    return f"| {' | '.join(cells)} |"
