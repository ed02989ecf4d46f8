"""A Kafka and a Postgres of a test's own, to be stopped, killed, frozen and started again."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from tempfile import mkdtemp

import psutil

from infra.local import kafka, postgres
from infra.local.servers import Server
from infra.local.stack import DATABASE, JARS
from infra.postgres.migrate import migrate

# A power cut may cost a test its data; a killed server loses nothing.
_QUICK = {"fsync": "off", "shared_buffers": "64MB", "max_wal_size": "1GB"}


@dataclass
class OwnKafka:
    """One broker, always at the same address."""

    folder: Path
    port: int = 0
    broker: kafka.Kafka | None = None

    @property
    def server(self) -> Server:
        """The process that runs."""
        assert self.broker is not None
        return self.broker.server

    @property
    def bootstrap_servers(self) -> str:
        """Its address."""
        return f"{kafka.HOST}:{self.port}"

    async def start(self) -> None:
        """Start it, again if need be, and wait until it answers."""
        self.broker = kafka.start(self.folder, JARS, port=self.port)
        self.port = self.broker.port
        await asyncio.to_thread(self.broker.wait_until_ready)

    async def stop(self) -> None:
        """End it in order."""
        await asyncio.to_thread(self.server.stop)

    async def kill(self) -> None:
        """End it with -9."""
        self.server.process.kill()
        await asyncio.to_thread(self.server.process.wait)


@dataclass
class OwnPostgres:
    """One Postgres with a migrated database. Its folder may be changed while it is down."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    running: postgres.Postgres | None = None

    @property
    def url(self) -> str:
        """The address of its database."""
        assert self.running is not None
        return self.running.url(DATABASE)

    async def start(self) -> None:
        """Start it, again if need be, and wait until it answers."""
        self.running = postgres.start(self.folder, settings={**_QUICK, **self.settings})
        await asyncio.to_thread(self.running.wait_until_ready)

    async def stop(self) -> None:
        """End it in order: sessions are broken off."""
        assert self.running is not None
        await asyncio.to_thread(self.running.server.stop)

    async def kill(self) -> None:
        """End it with -9, and all of its processes."""
        family = self._family()
        for process in family:
            process.kill()
        await asyncio.to_thread(psutil.wait_procs, family, 20)
        assert self.running is not None
        await asyncio.to_thread(self.running.server.process.wait)

    async def copy(self) -> None:
        """Keep a copy of all that is in it, as a standby would have it that hears nothing from now on."""
        assert self.running is not None
        words = ["-h", str(self.running.socket_folder), "-U", postgres.SUPERUSER, "-D", str(self._copied), "-c", "fast"]
        program = Path(psutil.Process(self.running.server.process.pid).exe()).with_name("pg_basebackup")
        backup = await asyncio.create_subprocess_exec(program, *words)
        assert await backup.wait() == 0

    def go_back_to_copy(self) -> None:
        """Put the copy in the place of the data, which is lost. The server must be down."""
        data = self.folder / "data"
        owner = data.stat()
        shutil.rmtree(data)
        self._copied.rename(data)
        for path in (data, *data.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)

    @property
    def _copied(self) -> Path:
        return self.folder / "copy"

    def _family(self) -> list[psutil.Process]:
        assert self.running is not None
        first = psutil.Process(self.running.server.process.pid)
        return [first, *first.children(recursive=True)]


@contextmanager
def hanging(server: Server) -> Iterator[None]:
    """Let a server answer nothing for the time of the block, with all connections open."""
    server.process.send_signal(SIGSTOP)
    try:
        yield
    finally:
        server.process.send_signal(SIGCONT)


@asynccontextmanager
async def own_kafka() -> AsyncIterator[OwnKafka]:
    """A broker for the time of the block."""
    made = OwnKafka(Path(mkdtemp(prefix="eventos-own-kafka-")))
    try:
        await made.start()
        yield made
    finally:
        await made.stop()
        shutil.rmtree(made.folder)


@asynccontextmanager
async def own_postgres(**settings: str) -> AsyncIterator[OwnPostgres]:
    """A Postgres for the time of the block."""
    made = OwnPostgres(Path(mkdtemp(prefix="eventos-own-postgres-")), settings)
    try:
        await made.start()
        assert made.running is not None
        await asyncio.to_thread(migrate, made.running.ensure_database(DATABASE))
        yield made
    finally:
        assert made.running is not None
        await asyncio.to_thread(made.running.stop)
        shutil.rmtree(made.folder)
