"""`eventos replay`: read a topic again."""

import asyncio
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer

from services.operator import kafka_clients
from services.operator.moments import moment
from services.operator.output import WRONG_USAGE, Failure, note, print_fields, print_json, progress
from services.operator.processes import INTAKE_SERVICES
from services.operator.replay.redelivery import Outcome, redeliver, starts_from
from services.operator.standing import INTAKE_TOPICS
from services.operator.surroundings import settings_of_command
from services.runtime.settings import Settings

app = typer.Typer(help="Read a topic again.", no_args_is_help=True, add_completion=False, rich_markup_mode="markdown")


@app.callback()
def replay() -> None:
    """Read a topic again."""


@app.command("redeliver")
def redeliver_command(
    service: Annotated[str, typer.Argument(help=f"One of {', '.join(INTAKE_SERVICES)}.")],
    from_offset: Annotated[
        list[str] | None, typer.Option(metavar="P:O", help="Partition P from offset O on; may be repeated.")
    ] = None,
    from_beginning: Annotated[bool, typer.Option("--from-beginning", help="All that Kafka still has.")] = False,
    from_time: Annotated[str | None, typer.Option(help="What was appended since: a time, or 30m, 24h, 7d ago.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Deliver records of a service's topic again, to prove that nothing is missing, or to mend it if something is.

    They go through the service's own code with positions of the run's own; live positions and counters are never
    touched, and the service may go on meanwhile. What was applied before counts as a duplicate. A digest of the
    service's tables is taken before and after: it must be equal when nothing was missing. The run is kept in
    replay_runs.

    Examples: `eventos replay redeliver ticket_sales --from-beginning` ·
    `eventos replay redeliver email_engagement --from-offset 3:1200 --from-offset 4:0`
    """
    name = service.replace("-", "_")
    if name not in INTAKE_SERVICES:
        known = ", ".join(INTAKE_SERVICES)
        raise Failure(f"{service!r} is no service that consumes a topic", f"Those are {known}.", code=WRONG_USAGE)
    if [bool(from_offset), from_beginning, from_time is not None].count(True) != 1:
        raise Failure(
            "say where to begin", "Give one of --from-offset, --from-beginning and --from-time.", code=WRONG_USAGE
        )
    offsets = _offsets(from_offset) if from_offset else None
    since = moment(from_time) if from_time else None
    parameters = {"from_offset": from_offset, "from_beginning": from_beginning, "from_time": from_time}
    settings = settings_of_command()
    outcome = asyncio.run(_redeliver(settings, name, offsets, since, parameters))
    _tell(outcome, as_json)
    if not (outcome.unchanged or outcome.live_moved or outcome.applied or outcome.refused):
        raise Failure("the tables changed although nothing was applied", "That must not happen: please report it.")


async def _redeliver(
    settings: Settings, service: str, offsets: dict[int, int] | None, since: datetime | None, parameters: dict[str, Any]
) -> Outcome:
    topic = INTAKE_TOPICS[service].full_name(settings.topic_prefix)
    async with kafka_clients.reader(settings) as reader:
        starts = await starts_from(reader, topic, offsets=offsets, since=since)
        with progress() as bar:
            task = bar.add_task("redelivering", total=None)
            return await redeliver(
                settings,
                service,
                reader,
                starts,
                parameters,
                lambda done, total: bar.update(task, completed=done, total=total),
            )


def _offsets(given: list[str]) -> dict[int, int]:
    """Read `P:O`. Raises Failure for anything else."""
    offsets = {}
    for text in given:
        partition, _, offset = text.partition(":")
        if not (partition.isdecimal() and offset.isdecimal()):
            raise Failure(f"{text!r} is not PARTITION:OFFSET", "Write it like 3:1200.", code=WRONG_USAGE)
        offsets[int(partition)] = int(offset)
    return offsets


def _tell(outcome: Outcome, as_json: bool) -> None:
    if as_json:
        print_json({**asdict(outcome), "unchanged": outcome.unchanged})
        return
    rows = [
        ("run", outcome.run),
        *((name.replace("_", "-"), count) for name, count in outcome.counts.items()),
        ("digest before", outcome.digest_before),
        ("digest after", outcome.digest_after),
    ]
    print_fields(rows)
    if outcome.unchanged:
        note("the tables are as they were: nothing was missing")
    elif outcome.applied:
        note(f"{outcome.applied} events had been missing, and are applied now")
    elif outcome.live_moved:
        note("the service went on meanwhile, so the digests cannot be compared; run again when it is idle")
    elif outcome.refused:
        note(f"of {outcome.refused} records refused, some had no dead letter before: `eventos dead-letters list`")
