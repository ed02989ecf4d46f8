"""What a run of the tests showed of each fault: a table, printed at its end, and written where --reliability says.

A test says by its mark, `proves(3, 4)`, of which faults it shows that they are survived; one that plays a scene tells
with what it found.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.faults import FAULTS, Fault

_PROPERTY = "fault"


@dataclass(frozen=True)
class Result:
    """What a scene found; `again` counts derived events that came again as the same events, as they may."""

    done: str
    times: int
    records: int
    lost: int
    doubled: int
    again: int
    recovery: float | None


Tell = Callable[[Result], None]


@dataclass(frozen=True)
class Report:
    test: str
    outcome: str
    why: str
    faults: Sequence[int]
    results: Sequence[Result]


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Tell:
    """Take down what a scene found."""
    return lambda result: request.node.user_properties.append((_PROPERTY, asdict(result)))


def pytest_addoption(parser: pytest.Parser) -> None:
    """--reliability FILE."""
    parser.addoption("--reliability", type=Path, help="write what was found of each fault to this file")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the marks travel with the reports, which may come from another process."""
    for item in items:
        numbers = [number for mark in item.iter_markers("proves") for number in mark.args]
        if numbers:
            item.user_properties.append(("proves", sorted(set(numbers))))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the table, and write it."""
    target: Path | None = config.getoption("reliability")
    if target is None:
        return
    reports = list(_reports(terminalreporter.stats))
    for line in _summary(reports):
        terminalreporter.write_line(line)
    target.write_text(page(reports), "utf-8")


def _reports(stats: dict[str, list[Any]]) -> Iterator[Report]:
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in stats.get(outcome, []):
            properties = list(getattr(report, "user_properties", []))
            numbers = [number for name, found in properties if name == "proves" for number in found]
            results = [Result(**found) for name, found in properties if name == _PROPERTY]
            why = report.longrepr[2].removeprefix("Skipped: ") if outcome == "skipped" else ""
            if numbers and (report.when == "call" or outcome != "passed"):
                yield Report(report.nodeid, outcome, why, numbers, results)


def _summary(reports: Sequence[Report]) -> Iterator[str]:
    for fault in FAULTS:
        own = [report for report in reports if fault.number in report.faults]
        bad = [report for report in own if report.outcome != "passed"]
        state = "absent" if fault.absent else "NOT SEEN" if not own else "FAILED" if bad else "survived"
        yield f"{fault.number:>2} {state:<8} {len(own) - len(bad):>3} of {len(own)} tests  {fault.what}"
        yield from (f"     {_told(result)}" for report in own for result in report.results)
        yield from (f"     {report.outcome}: {report.test} {report.why}" for report in bad)


def _told(found: Result) -> str:
    return (
        f"{found.done}: {found.times} ×, {found.records} records, lost {found.lost}, doubled {found.doubled},"
        f" told again {found.again}, recovered after {_recovery(found)}"
    )


def page(reports: Sequence[Report]) -> str:
    """The document: what was done for each fault, and what came of it."""
    played = [(number, result) for report in reports for number in report.faults for result in report.results]
    lines = [
        "# Reliability",
        "",
        "Written by `make test-faults`, of one run: every fault done for real, to service processes that work on a",
        "real broker and a real Postgres while a publisher of unique events keeps going. At its end each scene",
        "compares the database, the dead letters and the derived topics with a truth recomputed from what Kafka holds,",
        "by separate code (`tests/support/truth`); the counts of each partition must balance, in the database and in",
        "`/metrics`. *Lost* and *doubled* are effects: counts in views, rows, dead letters. *Told again* are derived",
        "events that came more than once as the same event (same id, same content), which is the most that consumers",
        "have to expect. *Recovery* is the time from the end of the fault until all was settled that had been",
        "published by then, and each intake service had gone on; on a machine with two cores that ran everything.",
        "",
        "| # | fault | what was done | times | records | lost | doubled | told again | recovery |",
        "|---|---|---|---|---|---|---|---|---|",
        *(_row(number, result) for number, result in sorted(played, key=lambda one: (one[0], one[1].done))),
        "",
        "## Every fault, and the tests that prove it",
        "",
        "A scene cannot be timed to a statement, so the moments that matter most are also stepped by scripted",
        "interleavings of transactions. `make test-faults` runs all of these tests.",
        "",
        "| # | fault | expected | proved by |",
        "|---|---|---|---|",
        *(_proof(fault, reports) for fault in FAULTS),
        "",
        *_NOT_DONE,
    ]
    return "\n".join(lines) + "\n"


def _row(number: int, found: Result) -> str:
    numbers = f"{found.times} | {found.records} | {found.lost} | {found.doubled} | {found.again} | {_recovery(found)}"
    return f"| {number} | {FAULTS[number - 1].what} | {found.done} | {numbers} |"


def _recovery(found: Result) -> str:
    return "–" if found.recovery is None else f"{found.recovery:.1f} s"


def _proof(fault: Fault, reports: Sequence[Report]) -> str:
    tests: dict[str, list[Report]] = {}
    for report in reports:
        if fault.number in report.faults:
            tests.setdefault(report.test.split("::")[0], []).append(report)
    proofs = [f"`{file}` {_passed(own)}" for file, own in sorted(tests.items())]
    return f"| {fault.number} | {fault.what} | {fault.expected} | {fault.absent or '<br>'.join(proofs) or 'not seen'} |"


def _passed(reports: Sequence[Report]) -> str:
    bad = [report for report in reports if report.outcome != "passed"]
    reasons = "; ".join(sorted({": ".join(filter(None, (report.outcome, report.why))) for report in bad}))
    return f"({len(reports) - len(bad)} of {len(reports)} passed{'; ' + reasons if bad else ''})"


_NOT_DONE = (
    "## What was not done, and why",
    "",
    "- **Several brokers.** One machine runs one broker: replicas that fall out of sync, an unclean election and a",
    "  network that parts brokers from each other were not seen. A broker that loses what it had acknowledged looks",
    "  to the services like a topic made anew, which was.",
    "- **A standby that really lags.** The failover that loses its tail is a copy of the data folder, taken earlier,",
    "  in the place of a primary that was killed. Services keep nothing beside it, so they cannot tell the difference.",
    "- **Taking back what a lost tail had told.** A change that was told, and undone before it was computed again,",
    "  stays the last word of its key until its row changes next (docs/adr/0003). The scene allows that, and no more.",
    "- **Power cuts.** `kill -9` loses no page of the kernel's cache. That is Postgres' and Kafka's own promise.",
    "- **Hours.** Outages are of seconds, with time limits made as much shorter by configuration.",
)
