"""`eventos check FILE`: the contract linter, offline."""

from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from services.operator.output import FAILED, err, out, print_json_line
from services.operator.verdicts import Verdict, judge_file


def check(
    file: Annotated[Path, typer.Argument(help="JSONL: records or events, as `publish` takes them.")],
    as_of: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Judge times as if it were this UTC day.")
    ] = None,
    refused_only: Annotated[bool, typer.Option("--refused-only", help="Say nothing of accepted lines.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object per line.")] = False,
) -> None:
    """Say of each line whether the services would accept it, and if not, why; needs no server.

    What only the database knows is not checked: whether sponsors and events exist, and whether an identity was
    applied before with other content. The exit code is 1 if any line is refused.

    Examples: `eventos check events.jsonl` · `eventos check events.jsonl --refused-only --json | jq .line`
    """
    accepted = refused = 0
    for verdict in judge_file(file, day(as_of)):
        accepted, refused = accepted + verdict.accepted, refused + (not verdict.accepted)
        if refused_only and verdict.accepted:
            continue
        if as_json:
            print_json_line(_described(verdict))
        else:
            out().print(told(verdict), soft_wrap=True)
    err().print(f"{accepted + refused} lines: {accepted} accepted, {refused} refused")
    if refused:
        raise typer.Exit(FAILED)


def day(given: datetime | None) -> date | None:
    """The UTC day that an option names."""
    return given.date() if given else None


def told(verdict: Verdict) -> str:
    """A verdict in one line of marked-up text."""
    if verdict.accepted:
        return f"line {verdict.line}: [green]accepted[/]"
    return f"line {verdict.line}: [red]refused[/] {verdict.reason}: {escape(verdict.detail or '')}"


def _described(verdict: Verdict) -> dict[str, object]:
    source, identity = verdict.identity
    return {
        "line": verdict.line,
        "accepted": verdict.accepted,
        "topic": verdict.record.topic.name if verdict.record else None,
        "source": source,
        "id": identity,
        "reason": verdict.reason,
        "detail": verdict.detail,
    }
