"""How every command speaks: data on stdout, words and progress on stderr, failures in one clear message."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

FAILED = 1
WRONG_USAGE = 2

_WIDTH_OF_A_PIPE = 200


@dataclass
class Failure(Exception):
    """What ends a command: what failed and where, why, and what to do about it."""

    what: str
    why: str = ""
    remedy: str = ""
    code: int = FAILED

    def __str__(self) -> str:
        return "\n".join(part for part in (self.what, self.why, self.remedy) if part)


def out() -> Console:
    """The console for data. Colours only on a terminal; a pipe is wide enough not to wrap tables."""
    return Console(width=None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE, highlight=False)


def err() -> Console:
    """The console for words: notes, progress, failures."""
    return Console(stderr=True, width=None if sys.stderr.isatty() else _WIDTH_OF_A_PIPE, highlight=False)


def note(text: str) -> None:
    """Say something to the person at the terminal, apart from the data."""
    err().print(escape(text), soft_wrap=True)


def print_json(value: object) -> None:
    """Print data for machines, as one JSON document. Decimals, UUIDs and times become strings."""
    sys.stdout.write(orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2).decode() + "\n")


def print_json_line(value: object) -> None:
    """Print one of many results for machines: a JSON document on one line."""
    sys.stdout.write(orjson.dumps(value, default=str).decode() + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None) -> None:
    """Print rows for people. Columns whose name starts with `#` hold numbers and are set to the right."""
    out().print(as_table(columns, rows, title=title))


def print_fields(fields: Iterable[tuple[str, Any]]) -> None:
    """Print names and values, a line each."""
    table = as_table(("", ""), fields)
    table.show_header = False
    out().print(table)


def as_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None) -> Table:
    """Make a table of rows; None is shown as a dash."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.removeprefix("#"), justify="right" if column.startswith("#") else "left")
    for row in rows:
        table.add_row(*("–" if cell is None else escape(str(cell)) for cell in row))
    return table


def progress() -> Progress:
    """A progress bar on stderr; silent where stderr is no terminal."""
    console = err()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


def report(failure: Failure) -> None:
    """Print a failure: what in red, then why and what to do."""
    console = err()
    console.print(f"[bold red]error:[/] {escape(failure.what)}", soft_wrap=True)
    for part in (failure.why, failure.remedy):
        for line in part.splitlines():
            console.print(f"  {escape(line)}", soft_wrap=True)
