"""`make bench-intake`: how fast each intake service drains a backlog, beside a plain Faust agent with the same effects.

Both run in the same run, on the same records, broker and database server, one after the other; the ratio is what to
read, for the machine's speed drifts. Time runs from the first look that finds something settled to the last record.
"""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import LiteralString
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from rich.console import Console
from rich.table import Table

from contracts.topics import EMAIL_ENGAGEMENT, SPONSOR_ACTIVITY, TICKET_SALES, Topic
from infra.local.stack import local_stack
from infra.postgres.migrate import migrate
from services.operator.core_rows import load_core
from services.operator.kafka_clients import producer
from services.operator.surroundings import database, private_environment
from services.operator.topics import apply_topics
from services.runtime.settings import Settings, load_settings
from tests.benchmarks.workload import Workload

SERVICES = {"sponsor_activity": SPONSOR_ACTIVITY, "email_engagement": EMAIL_ENGAGEMENT, "ticket_sales": TICKET_SALES}
PRODUCT, PLAIN = ("services.operator", "run"), ("tests.benchmarks.plain_faust",)
_SETTLED: dict[tuple[str, ...], LiteralString] = {
    PRODUCT: "SELECT COALESCE(sum(applied), 0) FROM streams_g1.stream_offsets",
    PLAIN: "SELECT count(*) FROM streams_g1.processed_events",
}
"""How far each has come: the positions, which cost nothing to read, and where there are none the ledger."""
LOOK = 0.05
PATIENCE = 600.0
err = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Speed:
    """Events per second of the product and of the plain agent."""

    service: str
    product: float
    plain: float

    @property
    def ratio(self) -> float:
        """How many times faster the product is."""
        return self.product / self.plain


def main() -> None:
    """Measure, print the table, and fail when a ratio is below the least."""
    options = _options()
    with (
        tempfile.TemporaryDirectory(prefix="eventos-bench-") as folder,
        local_stack(Path(folder), kafka_port=0, report=err.print) as stack,
        private_environment(stack.addresses.environment()),
    ):
        speeds = asyncio.run(_measure(options.records, options.plain_records))
    _print(speeds, options.records, options.plain_records)
    if slow := [speed.service for speed in speeds if speed.ratio < options.least_ratio]:
        sys.exit(f"below {options.least_ratio:g} times the plain agent: {', '.join(slow)}")


async def _measure(records: int, plain_records: int) -> list[Speed]:
    settings, workload = load_settings(), Workload()
    await apply_topics(settings)
    for topic in SERVICES.values():
        err.print(f"publishing {records} records to {topic.name}")
        await _publish(settings, workload, topic, records)
    speeds = []
    for service in SERVICES:
        product = await _drain(settings, workload, service, PRODUCT, records)
        plain = await _drain(settings, workload, service, PLAIN, plain_records)
        speeds.append(Speed(service, product, plain))
    return speeds


async def _publish(settings: Settings, workload: Workload, topic: Topic, count: int) -> None:
    name = topic.full_name(settings.topic_prefix)
    async with producer(settings) as client:
        for key, value in islice(workload.records(topic), count):
            await client.send(name, key=key, value=value)
        await client.flush()


async def _drain(settings: Settings, workload: Workload, service: str, module: tuple[str, ...], count: int) -> float:
    """Let a process settle `count` records into a database of its own; return events per second."""
    async with _fresh_database(settings, workload, f"{service}_{module[0].split('.')[-1]}") as url:
        environment = {**os.environ, "EVENTOS_DATABASE_URL": url}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *module,
            service,
            env=environment,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            speed = await _watch(url, _SETTLED[module], count, process)
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
            await process.wait()
    err.print(f"{service}, {module[0]}: {speed:,.0f} events/s")
    return speed


@asynccontextmanager
async def _fresh_database(settings: Settings, workload: Workload, name: str) -> AsyncIterator[str]:
    owner = settings.database_url.get_secret_value()
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    url = urlsplit(owner)._replace(path=f"/{name}").geturl()
    migrate(url)
    copied = settings.model_copy(update={"database_url": type(settings.database_url)(url)})
    async with database(copied, as_owner=True) as pool, pool.acquire() as connection:
        await load_core(connection, workload.core())
    yield url
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


async def _watch(url: str, question: LiteralString, count: int, process: asyncio.subprocess.Process) -> float:
    deadline = time.monotonic() + PATIENCE
    first: tuple[float, int] | None = None
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        while time.monotonic() < deadline:
            cursor = await connection.execute(question)
            [applied] = await cursor.fetchone() or (0,)
            applied = int(applied)
            now = time.monotonic()
            if first is None and applied:
                first = (now, applied)
            if first is not None and applied >= count:
                return (applied - first[1]) / (now - first[0])
            if process.returncode is not None:
                raise SystemExit(f"the process ended by itself, exit code {process.returncode}")
            await asyncio.sleep(LOOK)
    raise SystemExit(f"not drained within {PATIENCE:.0f} s")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=100_000, help="backlog of each topic")
    parser.add_argument("--plain-records", type=int, default=5_000, help="records that the plain agent is timed over")
    parser.add_argument("--least-ratio", type=float, default=10.0, help="fail below this ratio")
    return parser.parse_args()


def _print(speeds: Sequence[Speed], records: int, plain_records: int) -> None:
    table = Table(title=f"events/s: {records:,} records drained, beside a plain agent over {plain_records:,}")
    for heading in ("service", "EventOS", "plain Faust agent", "ratio"):
        table.add_column(heading, justify="left" if heading == "service" else "right")
    for speed in speeds:
        table.add_row(speed.service, f"{speed.product:,.0f}", f"{speed.plain:,.0f}", f"{speed.ratio:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
