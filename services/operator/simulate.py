"""`eventos simulate`: what a file of records does to a set of core rows, on a private stack."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from contracts.topics import TOPICS
from infra.local.stack import local_stack
from services.operator import kafka_clients
from services.operator.core_rows import load_core
from services.operator.idle import wait_idle
from services.operator.lines import NoRecord, Record, numbered_lines, read_record
from services.operator.migrate import migrate_database
from services.operator.output import Failure, note, progress
from services.operator.processes import Fleet
from services.operator.publish import send_all
from services.operator.standing import Standing
from services.operator.state import dump_state
from services.operator.surroundings import database, private_environment, terminate_like_interrupt
from services.operator.topics import apply_topics
from services.runtime.database import Pool
from services.runtime.settings import Settings, load_settings

_THROWAWAY = {"fsync": "off", "shared_buffers": "128MB"}


def simulate(
    core: Annotated[
        Path, typer.Option(help="JSON: users, events, sponsors, proposals, campaigns, templates, sequences.")
    ],
    records: Annotated[Path, typer.Option(help="JSONL: records in publishing order, with topic, key and value.")],
    as_of: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The UTC day that scores are computed for.")],
    output: Annotated[Path, typer.Option(help="Where to write the state, as JSON.")],
    replicas: Annotated[int, typer.Option(min=1, max=8, help="Processes of each service.")] = 1,
    batch_records: Annotated[int | None, typer.Option(min=1, help="Most records in one transaction.")] = None,
) -> None:
    """Show what a file of records would do: run everything on it, privately, and write the state that comes out.

    Starts a Kafka and a Postgres of its own in a temporary folder, loads the core rows, runs the six services,
    publishes the records exactly as they are, also invalid ones, waits until nothing is left to do, and stops all of
    it. Nothing outside is touched, and no EVENTOS_ variable is read.

    Example: `eventos simulate --core core.json --records records.jsonl --as-of 2026-11-01 --output state.json`
    """
    rows, to_publish = read_core(core), read_records(records)
    if not output.parent.is_dir():
        raise Failure(f"{output} cannot be written", f"There is no folder {output.parent}.")
    values = {"EVENTOS_AS_OF": as_of.date().isoformat(), "EVENTOS_LOG_FORMAT": "console"}
    if batch_records is not None:
        values["EVENTOS_BATCH_RECORDS"] = str(batch_records)
    with (
        terminate_like_interrupt(),
        TemporaryDirectory(prefix="eventos-") as folder,
        local_stack(Path(folder) / "stack", kafka_port=0, postgres_settings=_THROWAWAY, report=note) as stack,
        private_environment({**values, **stack.addresses.environment()}),
    ):
        settings = load_settings()
        migrate_database(settings)
        state = asyncio.run(_run(settings, rows, to_publish, Path(folder) / "logs", replicas))
        output.write_text(json.dumps(state, indent=1, sort_keys=True) + "\n", "utf-8")
    note(f"the state is in {output}")


def read_core(path: Path) -> dict[str, Any]:
    """Read a file of core rows. Raises Failure."""
    try:
        core = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise Failure(f"{path} cannot be read as core rows", str(error)) from None
    if not isinstance(core, dict):
        raise Failure(f"{path} holds no core rows", "It must be an object of lists, such as events and sponsors.")
    return core


def read_records(path: Path) -> list[Record]:
    """Read a file of records, judging no value. Raises Failure with the number of a line that makes no record."""
    found = []
    for number, line in numbered_lines(path):
        try:
            found.append(read_record(line))
        except NoRecord as error:
            raise Failure(f"{path}, line {number}, is no record", str(error)) from None
    return found


async def _run(
    settings: Settings, core: Mapping[str, Any], records: Sequence[Record], logs: Path, replicas: int
) -> dict[str, Any]:
    """On an empty stack: create topics, load, run the services, publish, wait, and read the state."""
    await apply_topics(settings)
    async with database(settings, as_owner=True) as pool, pool.acquire() as connection:
        await load_core(connection, core)
    async with (
        database(settings) as pool,
        kafka_clients.reader(settings) as reader,
        kafka_clients.producer(settings) as producer,
        Fleet({}, logs, replicas=replicas) as fleet,
    ):
        await reader.ends([topic.full_name(settings.topic_prefix) for topic in TOPICS.values()])
        note(f"publishing {len(records)} records to {len(fleet.children)} processes")
        async for _ in send_all(producer, records, settings.topic_prefix):
            fleet.require_alive()
        await _wait_with_bar(settings, pool, reader, fleet)
        async with pool.acquire() as connection:
            return await dump_state(connection, reader, settings)


async def _wait_with_bar(settings: Settings, pool: Pool, reader: kafka_clients.Reader, fleet: Fleet) -> None:
    with progress() as bar:
        task = bar.add_task("consuming", total=None)

        def watch(now: Standing) -> None:
            fleet.require_alive()
            end = sum(partition.log_end for partition in now.partitions)
            waiting = f"consuming · {now.marks_pending} marks, {now.outbox_pending} to send"
            bar.update(task, completed=end - now.lag, total=end, description=waiting)

        try:
            await wait_idle(settings, pool, reader, watch=watch)
        except Failure as failure:
            if fleet.dead():
                raise
            raise Failure(failure.what, f"{failure.why}\n{fleet.tails()}".strip(), failure.remedy) from None
