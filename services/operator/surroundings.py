"""What a command works on: its settings, the local stack where it runs, and connections to Postgres."""

import os
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from infra.local.stack import STACK_FOLDER, running_addresses
from services.operator.output import Failure, note
from services.runtime.database import Pool, connect_pool
from services.runtime.settings import Settings, load_settings


def data_folder() -> Path:
    """Where the local stack keeps its data: EVENTOS_DATA_DIR, else a folder of the project."""
    given = os.environ.get("EVENTOS_DATA_DIR")
    return Path(given) if given else STACK_FOLDER


def settings_of_command() -> Settings:
    """Read the settings; addresses that are not given are those of the local stack, if it runs.

    Raises ConfigurationError with every fault.
    """
    folder = data_folder()
    addresses = running_addresses(folder) if folder.exists() else None
    found = addresses.environment() if addresses else {}
    missing = {name: value for name, value in found.items() if name not in os.environ}
    if missing:
        note(f"using the local stack of {folder}")
        os.environ.update(missing)
    return load_settings()


@contextmanager
def private_environment(values: Mapping[str, str]) -> Iterator[None]:
    """For the time of the block, let `values` be the only EVENTOS_ variables, for this process and its children."""
    before = dict(os.environ)
    for name in before:
        if name.startswith("EVENTOS_"):
            del os.environ[name]
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def terminate_like_interrupt() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does, so that everything is stopped then too.

    Both also work where SIGINT was ignored from the start, as shells have it for what they run in the background.
    """
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
    terminate = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, terminate)
        signal.signal(signal.SIGINT, interrupt)


@asynccontextmanager
async def database(settings: Settings, *, as_owner: bool = False, size: int = 2) -> AsyncIterator[Pool]:
    """Open a pool as the operator's role, or as the user of the URL, who owns what upstream systems write.

    Raises Failure where Postgres cannot be reached.
    """
    try:
        pool = await connect_pool(settings, "operator", size=size, as_owner=as_owner)
    except OSError as error:
        raise Failure(
            "Postgres cannot be reached", str(error), "Is it up? Check EVENTOS_DATABASE_URL (`eventos config`)."
        ) from None
    try:
        yield pool
    finally:
        await pool.close()
