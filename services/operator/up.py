"""`eventos up`: everything on this machine, with a live view."""

import asyncio
import os
from pathlib import Path
from typing import Annotated

import asyncpg
import typer
from aiokafka.errors import KafkaError
from rich.live import Live

from infra.local.stack import Stack, local_stack
from services.operator import kafka_clients
from services.operator.activity import Observer
from services.operator.demonstration.publisher import Demonstration
from services.operator.live_view import as_line, as_tables
from services.operator.migrate import migrate_database
from services.operator.output import Failure, err, note, out
from services.operator.processes import Fleet
from services.operator.surroundings import data_folder, database, terminate_like_interrupt
from services.operator.topics import apply_topics
from services.runtime.settings import Settings, load_settings

_LOOK_INTERVAL = 1.0
_LINE_EVERY = 5
"""Looks between two lines where there is no terminal."""


def up(
    demo: Annotated[
        bool, typer.Option("--demo", help="Load an organisation and publish its season of events.")
    ] = False,
    replicas: Annotated[int, typer.Option(min=1, max=8, help="Processes of each service.")] = 1,
    rate: Annotated[float, typer.Option(min=0.1, help="Events per second of the demonstration.")] = 40.0,
    seed: Annotated[int, typer.Option(help="Another season of the demonstration.")] = 1,
) -> None:
    """Start Kafka, Postgres and all services, and show what they do, until Ctrl-C.

    A server whose address is given (EVENTOS_KAFKA_BOOTSTRAP_SERVERS, EVENTOS_DATABASE_URL) is used, not started. The
    database is migrated and the topics are brought up to date first. Data stays in EVENTOS_DATA_DIR, or a folder of
    the project, and survives. A service that ends is started again. While it runs, other commands find the servers by
    themselves.

    Examples: `eventos up --demo` · `eventos up --replicas 2`
    """
    folder = data_folder()
    try:
        with (
            terminate_like_interrupt(),
            local_stack(
                folder,
                kafka_bootstrap_servers=os.environ.get("EVENTOS_KAFKA_BOOTSTRAP_SERVERS"),
                database_url=os.environ.get("EVENTOS_DATABASE_URL"),
                report=note,
            ) as stack,
        ):
            os.environ.update(stack.addresses.environment())
            settings = load_settings()
            for migration in migrate_database(settings):
                note(f"migrated {migration}")
            season = Demonstration(seed, rate) if demo else None
            asyncio.run(_up(settings, stack, folder / "logs", replicas, season))
    except KeyboardInterrupt:
        note("stopped; the data stays where it is")


async def _up(settings: Settings, stack: Stack, logs: Path, replicas: int, season: Demonstration | None) -> None:
    for change in await apply_topics(settings):
        note(f"topic {change.topic}: {change.action}")
    if season is not None:
        await season.load(settings)
    async with (
        database(settings) as pool,
        kafka_clients.reader(settings) as reader,
        Fleet({"EVENTOS_LOG_FORMAT": "console"}, logs, replicas=replicas) as fleet,
        asyncio.TaskGroup() as group,
    ):
        note(f"started {len(fleet.children)} processes; their logs are in {logs}")
        if season is not None:
            group.create_task(season.publish(settings))
        await _watch(Observer(settings, pool, reader), fleet, stack)


async def _watch(observer: Observer, fleet: Fleet, stack: Stack) -> None:
    """Look, show, and revive, for ever. Raises Failure when a server has ended."""
    loop, screen = asyncio.get_running_loop(), out()
    footer = "Ctrl-C stops everything that this command started."
    live = Live(console=screen, auto_refresh=False, transient=True) if screen.is_terminal else None
    looks = 0
    try:
        if live is not None:
            live.start()
        while True:
            if fault := stack.fault():
                raise Failure("a server of the local stack ended", fault)
            for child in await fleet.revive():
                footer = f"{child.name} ended with exit code {child.exits[-1]} and is started again; see {child.log}"
                if live is None:
                    note(footer)
            try:
                activity = await observer.observe(loop.time())
            except (OSError, asyncpg.PostgresError, KafkaError) as error:
                note(f"cannot look: {type(error).__name__}: {error}")
            else:
                if live is not None:
                    live.update(as_tables(activity, fleet.children, footer), refresh=True)
                elif looks % _LINE_EVERY == 0:
                    screen.print(as_line(activity, fleet.children))
            looks += 1
            await asyncio.sleep(_LOOK_INTERVAL)
    finally:
        if live is not None:
            live.stop()
        err().print("stopping …")
