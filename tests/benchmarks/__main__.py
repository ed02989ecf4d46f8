"""`make bench`, `make bench-full`: everything started from nothing, measured, checked, told, and stopped again.

python -m tests.benchmarks [--full] [--only SCENARIO …] [--minutes N] [--output FOLDER] [--write-docs] [--require]
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from time import monotonic

import uvloop

from services.operator.output import FAILED, Failure, note, out, report
from services.operator.surroundings import terminate_like_interrupt
from tests.benchmarks.lab import FULL, QUICK, Lab, laboratory
from tests.benchmarks.pictures import draw
from tests.benchmarks.report import as_json, found, print_results, write_document
from tests.benchmarks.results import Results, Section
from tests.benchmarks.scenarios import backfill, endurance, growth, latency, replicas, steps, throughput

SCENARIOS: Mapping[str, Callable[[Lab], Awaitable[Section]]] = {
    "throughput": throughput.run,
    "steps": steps.run,
    "latency": latency.run,
    "growth": growth.run,
    "endurance": endurance.run,
    "soak": endurance.soak,
    "replicas": replicas.run,
    "backfill": backfill.run,
}
QUICK_ONES = ("throughput", "steps", "latency")
"""What fits into `make bench`; the others are measured by `make bench-full`, or when asked for by name."""
FULL_ONES = tuple(name for name in SCENARIOS if name != "soak")
"""What fits into `make bench-full`: not an hour of `make soak`."""
OUTPUT = Path("build/bench")


def main() -> int:
    """Measure; return 1 when something failed, or a requirement was missed that had to be met."""
    options = _options()
    chosen = options.only or (FULL_ONES if options.full else QUICK_ONES)
    scale = FULL if options.full else QUICK
    if options.minutes is not None:
        scale = replace(scale, soak_minutes=options.minutes)
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # what runs in here runs as in a service
    try:
        with terminate_like_interrupt(), laboratory(scale) as lab:
            results = found(lab, asyncio.run(_run(lab, chosen, write_docs=options.write_docs)))
    except Failure as failure:
        report(failure)
        return failure.code
    except KeyboardInterrupt:
        note("stopped; nothing was written")
        return FAILED
    _tell(results, options.output)
    missed = [requirement for requirement in results.requirements if not requirement.met]
    return 1 if missed and options.require else 0


async def _run(lab: Lab, chosen: Iterable[str], *, write_docs: bool) -> list[Section]:
    sections = []
    for name in chosen:
        begun = monotonic()
        lab.say(f"— {name}")
        sections.append(await SCENARIOS[name](lab))
        lab.say(f"{name} took {monotonic() - begun:.0f} s")
        if write_docs:  # now: what comes later may fail
            write_document(found(lab, sections[-1:]))
    return sections


def _tell(results: Results, folder: Path) -> None:
    print_results(out(), results)
    folder.mkdir(parents=True, exist_ok=True)
    document = folder / "results.json"
    document.write_bytes(as_json(results))
    note(f"written: {', '.join(str(path) for path in (document, *draw(results, folder)))}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="500,000 records and more rounds: up to 40 minutes")
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)}")
    parser.add_argument("--minutes", type=float, help="how long the soak lasts; 60 when --full")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder for JSON and pictures")
    parser.add_argument("--write-docs", action="store_true", help="put the results into docs/performance.md")
    parser.add_argument("--require", action="store_true", help="fail when a requirement is missed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
