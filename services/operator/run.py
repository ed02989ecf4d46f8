"""`eventos run SERVICE`: one service, in the foreground, configured by its environment."""

import os
import signal
import sys
import threading
import time
from typing import Annotated

import typer

from services.operator.output import WRONG_USAGE, Failure
from services.operator.processes import SERVICES
from services.operator.surroundings import settings_of_command


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
    from services.runtime.service import run as run_service

    run_service(name, settings)


def _end_with_parent(grace: float) -> None:
    """Wait for the pipe from the parent to close, then stop gracefully, and at all costs after `grace` seconds."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace)
    os._exit(1)
