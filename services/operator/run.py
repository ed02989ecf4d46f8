"""`eventos run SERVICE`: one service, in the foreground, configured by its environment."""

import asyncio
import os
import signal
import sys
import threading
import time
from importlib import import_module
from typing import Annotated

import asyncpg
import structlog
import typer
import uvloop
from aiokafka.errors import KafkaError

from services.operator.output import WRONG_USAGE, Failure
from services.operator.processes import SERVICES
from services.operator.surroundings import settings_of_command
from services.runtime.consuming import StalledError
from services.runtime.logs import configure_logs, name_of
from services.runtime.service import Service, serve
from services.runtime.settings import ConfigurationError

log = structlog.get_logger(__name__)

_SAYS_NO_VALUE = ("28", "3D", "3F", "42", "53", "57", "58")
"""Classes of SQLSTATE whose messages speak of names and resources: of who may log in, of what is not there."""


def run(
    service: Annotated[str, typer.Argument(help=f"One of {', '.join(SERVICES)}.")],
    attached: Annotated[
        bool, typer.Option("--attached", hidden=True, help="End when standard input is closed.")
    ] = False,
) -> None:
    """Run one service until it is asked to stop (SIGTERM, Ctrl-C), which it does with its work in flight committed.

    It is configured by environment variables alone: `eventos config` lists them.

    Examples: `eventos run lead_scoring` · `EVENTOS_METRICS_PORT=9464 eventos run ticket_sales`
    """
    name = service.replace("-", "_")
    if name not in SERVICES:
        raise Failure(f"there is no service {service!r}", f"The services are {', '.join(SERVICES)}.", code=WRONG_USAGE)
    settings = settings_of_command()
    if attached:
        threading.Thread(target=_end_with_parent, args=(settings.stop_timeout,), daemon=True).start()
    configure_logs(settings, name)
    wired: Service = import_module(f"services.{name}.app").SERVICE
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # not uvloop.run: the fetching thread makes a loop too
    try:
        asyncio.run(serve(wired, settings))
    except Exception as error:
        log.critical("service_failed", exc_info=error)
        raise Failure(f"{name} ended: {first_cause(error)}", remedy="Its log has the traceback.") from error


def first_cause(error: BaseException) -> str:
    """Look inside the groups that task groups raise; say what it says only where that cannot be an event's value."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, asyncpg.PostgresError) and (error.sqlstate or "")[:2] in _SAYS_NO_VALUE:
        return f"{name_of(error)}: {error.args[0]}"
    if isinstance(error, ConfigurationError | KafkaError | OSError | StalledError | asyncpg.InterfaceError):
        return f"{name_of(error)}: {error}"
    return name_of(error)


def _end_with_parent(grace: float) -> None:
    """Wait for the pipe from the parent to close, then stop gracefully, and at all costs after `grace` seconds."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace)
    os._exit(1)
