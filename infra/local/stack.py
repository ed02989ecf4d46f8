"""The local stack: a real Kafka and a real Postgres, each started only where no address is given."""

import fcntl
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.local import kafka, postgres
from infra.local.servers import Server, ServerError

PROJECT_FOLDER = Path(__file__).resolve().parents[2] / ".eventos"
STACK_FOLDER = PROJECT_FOLDER / "stack"
JARS = PROJECT_FOLDER / "jars"
DATABASE = "eventos"


@dataclass(frozen=True)
class Addresses:
    """Where Kafka and Postgres answer."""

    kafka_bootstrap_servers: str
    database_url: str

    def environment(self) -> dict[str, str]:
        """The addresses as the services' settings."""
        return {f"EVENTOS_{name.upper()}": value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Stack:
    """The addresses, and the servers behind them that this process started."""

    addresses: Addresses
    servers: tuple[Server, ...]

    def fault(self) -> str | None:
        """What went wrong with a server since the start, None while all run."""
        return next((fault for server in self.servers if (fault := server.ended())), None)


@contextmanager
def local_stack(
    folder: Path = STACK_FOLDER,
    *,
    kafka_bootstrap_servers: str | None = None,
    database_url: str | None = None,
    kafka_port: int | None = None,
    postgres_settings: Mapping[str, str] | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> Iterator[Stack]:
    """Start what has no address, yield when both answer, and stop what was started.

    Data lives in `folder` and survives. Enter it from the main thread: on Linux the servers end with that
    thread, also when it is killed, and what a killed launcher left all the same is stopped by the next start.
    `kafka_port` is as in `kafka.start`; `report` is told each step. Raises ServerError with a message for the
    user.
    """
    folder = folder.resolve()
    with ExitStack() as cleanup:
        cleanup.enter_context(_hold(folder))
        broker, database = None, None
        if kafka_bootstrap_servers is None:
            report("starting Kafka")
            broker = kafka.start(folder / "kafka", JARS, port=kafka_port)
            cleanup.callback(broker.stop)
        if database_url is None:
            report("starting Postgres")
            database = postgres.start(folder / "postgres", settings=postgres_settings)
            cleanup.callback(database.stop)
            database.wait_until_ready()
            database_url = database.ensure_database(DATABASE)
        if broker is not None:
            broker.wait_until_ready()
            kafka_bootstrap_servers = broker.bootstrap_servers
        addresses = Addresses(kafka_bootstrap_servers or "", database_url)
        cleanup.enter_context(_announce(folder, addresses))
        if broker is not None:
            report(f"Kafka answers at {broker.bootstrap_servers}")
        if database is not None:  # the address of another may hold a password
            report(f"Postgres answers at {database_url}")
        yield Stack(addresses, tuple(started.server for started in (broker, database) if started is not None))


def running_addresses(folder: Path = STACK_FOLDER) -> Addresses | None:
    """The addresses of the stack that runs on `folder`, None where none does."""
    try:
        with _hold(folder.resolve()):
            return None
    except ServerError:
        try:
            return Addresses(**json.loads(_announcement(folder).read_text()))
        except FileNotFoundError:
            return None  # still starting


@contextmanager
def _hold(folder: Path) -> Iterator[None]:
    """Own the folder for as long as this process lives; the kernel frees it even after kill -9."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ServerError(f"The local stack of {folder} is in use: it runs already, or is being stopped") from None
        yield


@contextmanager
def _announce(folder: Path, addresses: Addresses) -> Iterator[None]:
    """Leave the addresses where `running_addresses` finds them, for nobody else: one may hold a password."""
    announcement = _announcement(folder)
    announcement.unlink(missing_ok=True)
    announcement.touch(mode=0o600)
    announcement.write_text(json.dumps(asdict(addresses)))
    try:
        yield
    finally:
        announcement.unlink(missing_ok=True)


def _announcement(folder: Path) -> Path:
    return folder / "addresses.json"
