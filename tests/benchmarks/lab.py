"""The laboratory: a Kafka and a Postgres from nothing, backlogs, fresh databases, and processes at work on them.

A scenario is `async def run(lab: Lab) -> Section` in a module of `scenarios/`, named in `SCENARIOS` of `__main__`:

    backlog = await lab.backlog()                      # the mixed one: published once, shared by all scenarios
    own = await lab.publish("mine.", {"ticket_sales": 9000})      # or one of its own, in topics with that prefix
    async with lab.database(backlog, "name") as database:         # migrated, core rows loaded, nothing consumed yet
        async with lab.services(database, ["ticket_sales"]) as fleet:     # all are up, and go off together
            meter = lab.meter(pids(fleet))
            before = meter.read()
            drained = await watch(database.connection, SETTLED, count, fleet.require_alive)
            cost = meter.read().since(before)
        await check(database, ["ticket_sales"])        # checks.py; raises Failure where anything is wrong

Positions live in each database, so any number of contenders can drain the same topics. `lab.process` starts what is
none of the product's services. Sizes follow from `lab.scale`; `lab.say` tells of progress. What a scenario found goes
into a `Section` (results.py), which knows tables, requirements and charts. JDBC finds a database at `tcp_address`.
"""

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString
from urllib.parse import urlsplit

import asyncpg
import psycopg
from aiokafka import AIOKafkaProducer
from psycopg import sql
from pydantic import SecretStr

from infra.local.stack import Stack, local_stack
from infra.postgres.migrate import migrate
from services.lead_scoring.app import take_turn
from services.lead_scoring.rules import load_rules
from services.operator.core_rows import load_core
from services.operator.kafka_clients import producer, reader
from services.operator.output import note
from services.operator.processes import Fleet
from services.operator.standing import INTAKE_TOPICS
from services.operator.surroundings import database as pool_of
from services.operator.surroundings import private_environment
from services.operator.topics import apply_topics
from services.runtime.database import SEARCH_PATH, Connection
from services.runtime.settings import Settings
from tests.benchmarks.draining import together
from tests.benchmarks.meters import Meter
from tests.benchmarks.workload import AS_OF, Workload

MIXTURE = {"sponsor_activity": 3, "email_engagement": 4, "ticket_sales": 3}
"""Tenths of all records."""
_HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured: records of the mixed backlog, and of contenders with a transaction an event; how often."""

    full: bool
    records: int
    slow_records: int
    rounds: int
    soak_minutes: float


QUICK = Scale(full=False, records=100_000, slow_records=1_000, rounds=1, soak_minutes=1)
FULL = Scale(full=True, records=500_000, slow_records=4_000, rounds=3, soak_minutes=60)


@dataclass(frozen=True, slots=True, eq=False)
class Backlog:
    """Records that wait in topics with this prefix: so many for each intake service."""

    workload: Workload
    topic_prefix: str
    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        """Records of all topics."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Database:
    """A database with the core rows of a backlog, the settings of whoever drains that backlog into it, and a look.

    `connection` is the owner's, with the services' search path.
    """

    name: str
    backlog: Backlog
    settings: Settings
    tcp_address: str
    connection: Connection

    @property
    def url(self) -> str:
        """Its address, as its owner."""
        return self.settings.database_url.get_secret_value()

    @property
    def environment(self) -> dict[str, str]:
        """The settings as environment variables."""
        return {
            "EVENTOS_KAFKA_BOOTSTRAP_SERVERS": self.settings.kafka_bootstrap_servers,
            "EVENTOS_DATABASE_URL": self.url,
            "EVENTOS_TOPIC_PREFIX": self.settings.topic_prefix,
            "EVENTOS_AS_OF": AS_OF.isoformat(),
        }


class Lab:
    """The stack of one run, and what is shared in it. `port` is where Postgres listens on TCP too."""

    def __init__(self, stack: Stack, folder: Path, scale: Scale, port: int) -> None:
        self.stack, self.folder, self.scale, self._port = stack, folder, scale, port
        self.say: Callable[[str], None] = note
        self._mixed: Backlog | None = None
        self._templates: dict[Workload, str] = {}

    async def backlog(self) -> Backlog:
        """The mixed backlog of all three topics."""
        if self._mixed is None:
            self._mixed = await self.publish("mixed.", mixture(self.scale.records))
        return self._mixed

    async def publish(self, prefix: str, counts: Mapping[str, int], workload: Workload | None = None) -> Backlog:
        """Make all topics with the prefix, and publish so many records for each of these intake services."""
        backlog = Backlog(workload or Workload(), prefix, counts)
        settings = self.settings(prefix)
        await apply_topics(settings)
        self.say(f"publishing {backlog.total:,} records to {prefix}*")
        async with producer(settings) as client, reader(settings) as ends:
            await ends.ends([INTAKE_TOPICS[service].full_name(prefix) for service in counts])  # there are leaders now
            for service, count in counts.items():
                topic = INTAKE_TOPICS[service]
                await send(client, topic.full_name(prefix), backlog.workload.records(topic, count))
        return backlog

    @asynccontextmanager
    async def database(self, backlog: Backlog, name: str) -> AsyncIterator[Database]:
        """Make a database for one contender; drop it at the end."""
        template = await self._template(backlog.workload)
        self._administer("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy", name, template)
        settings = self.settings(backlog.topic_prefix, name)
        session = {"search_path": SEARCH_PATH, "timezone": "UTC", "application_name": "benchmark"}
        connection = await asyncpg.connect(self._address(name), server_settings=session)
        try:
            yield Database(name, backlog, settings, f"{_HOST}:{self._port}/{name}", connection)
        finally:
            await connection.close()
            self._administer("DROP DATABASE {} WITH (FORCE)", name)

    async def _template(self, workload: Workload) -> str:
        """A migrated database with the core rows, whose views stand for the workload's day and are not stale."""
        name = self._templates.get(workload)
        if name is None:
            name = self._templates[workload] = f"template_{len(self._templates)}"
            self._administer("CREATE DATABASE {}", name)
            migrate(self._address(name))
            settings = self.settings("", name)
            async with pool_of(settings, as_owner=True) as pool, pool.acquire() as connection:
                await load_core(connection, workload.core())
                await take_turn(connection, AS_OF, load_rules(), fixed=True)
                await connection.execute("TRUNCATE stale_marks")
                await connection.execute("VACUUM ANALYZE")
        return name

    @asynccontextmanager
    async def services(self, database: Database, names: Sequence[str], *, replicas: int = 1) -> AsyncIterator[Fleet]:
        """Start processes of these services, let them go off together once all are up, and stop them at the end."""
        fleet = Fleet(database.environment, self._logs(database), services=names, replicas=replicas)
        gatekeeper = await asyncpg.connect(database.url, server_settings={"search_path": SEARCH_PATH})
        try:
            async with together(fleet, gatekeeper, database.connection):
                yield fleet
        finally:
            await gatekeeper.close()

    @asynccontextmanager
    async def process(
        self, database: Database, *words: str, environment: Mapping[str, str] | None = None
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """Start a process with the settings of `database`, its input and output on pipes, its errors in a log.

        It is killed in the end.
        """
        with (self._logs(database) / "process.log").open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                *words,
                env={**os.environ, **database.environment, **(environment or {})},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
            )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    def meter(self, pids: Iterable[int]) -> Meter:
        """A meter of these processes and of the servers."""
        return Meter(self.stack, pids)

    def settings(self, prefix: str, database: str | None = None) -> Settings:
        """Those of whoever reads topics with this prefix into a database of this name, or looks at the server."""
        url = self._address(database) if database else self.stack.addresses.database_url
        return Settings(
            kafka_bootstrap_servers=self.stack.addresses.kafka_bootstrap_servers, database_url=SecretStr(url),
            topic_prefix=prefix, as_of=AS_OF,
        )  # fmt: skip

    def _logs(self, database: Database) -> Path:
        folder = self.folder / "logs" / database.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _address(self, name: str) -> str:
        return urlsplit(self.stack.addresses.database_url)._replace(path=f"/{name}").geturl()

    def _administer(self, statement: LiteralString, *names: str) -> None:
        with psycopg.connect(self.stack.addresses.database_url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def mixture(total: int) -> dict[str, int]:
    """How many of so many records are of each intake service."""
    return {service: total * tenths // 10 for service, tenths in MIXTURE.items()}


async def send(client: AIOKafkaProducer, topic: str, records: Iterable[tuple[bytes, bytes]]) -> int:
    """Publish records, each a key and a value; return how many there were."""
    total = 0
    for key, value in records:
        await client.send(topic, key=key, value=value)
        total += 1
    await client.flush()
    return total


@contextmanager
def laboratory(scale: Scale) -> Iterator[Lab]:
    """Start Kafka and Postgres on a temporary folder, with the product's settings; stop and remove all at the end.

    Postgres listens on TCP too, for those who know no Unix socket; its port is known to libpq and asyncpg by PGPORT.
    """
    folder = Path(tempfile.mkdtemp(prefix="eventos-bench-"))
    port = _free_port()
    settings = {"listen_addresses": _HOST, "port": str(port)}
    try:
        with (
            private_environment({"PGPORT": str(port)}),
            local_stack(folder / "stack", kafka_port=0, postgres_settings=settings, report=note) as stack,
        ):
            yield Lab(stack, folder, scale, port)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])
