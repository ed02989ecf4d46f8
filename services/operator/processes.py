"""Services as child processes: started with one environment, logging to files, ended with their parent."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from services.operator.output import Failure

INTAKE_SERVICES = ("sponsor_activity", "email_engagement", "ticket_sales")
SERVICES = (*INTAKE_SERVICES, "lead_scoring", "event_dashboards", "outbox_relay")

GRACE = 30.0
"""Seconds from SIGTERM to SIGKILL."""

_FIRST_PAUSE, _LONGEST_PAUSE, _RAN_WELL = 1.0, 30.0, 60.0
"""Seconds: before the first restart, between restarts at most, and of running after which the pause starts anew."""


@dataclass
class Child:
    """One process of a service; `replica` counts from 1. `exits` are the exit codes so far, the latest last."""

    service: str
    replica: int
    log: Path
    process: asyncio.subprocess.Process | None = None
    started: float = 0.0
    pause: float = _FIRST_PAUSE
    restart_at: float | None = None
    exits: list[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The service, and which replica of it."""
        return f"{self.service}-{self.replica}"

    @property
    def running(self) -> bool:
        """Whether the process is up."""
        return self.process is not None and self.process.returncode is None

    def tail(self, lines: int = 20) -> str:
        """The last lines of its log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-lines:])


class Fleet:
    """The services, `replicas` processes of each; an async context manager that stops what it started.

    The processes hold a pipe whose other end is ours: when this process ends, however it ends, they stop.
    """

    def __init__(
        self, environment: Mapping[str, str], logs: Path, *, services: Iterable[str] = SERVICES, replicas: int = 1
    ) -> None:
        self._environment = {**os.environ, **environment}
        logs.mkdir(parents=True, exist_ok=True)
        self.children = [
            Child(service, replica, logs / f"{service}-{replica}.log")
            for service in services
            for replica in range(1, replicas + 1)
        ]

    async def __aenter__(self) -> "Fleet":
        try:
            for child in self.children:
                await self._start(child)
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _start(self, child: Child) -> None:
        with child.log.open("ab") as log:
            child.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "services.operator", "run", child.service, "--attached"),
                env=self._environment,
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us: we stop them in order
            )
        child.started = asyncio.get_running_loop().time()
        child.restart_at = None

    def dead(self) -> list[Child]:
        """The children that have ended though nobody asked them to."""
        return [child for child in self.children if not child.running]

    def require_alive(self) -> None:
        """Raise Failure, with the tail of its log, if a service has ended."""
        for child in self.dead():
            code = child.process.returncode if child.process else None
            raise Failure(f"{child.name} ended by itself, exit code {code}; its log ends:", child.tail())

    def tails(self, lines: int = 3) -> str:
        """The last lines of every log."""
        return "\n".join(f"{child.name}:\n{child.tail(lines)}" for child in self.children)

    async def revive(self) -> list[Child]:
        """Start ended children again, each after a pause that doubles; returns those found dead just now."""
        now = asyncio.get_running_loop().time()
        found = []
        for child in self.dead():
            if child.restart_at is None:
                if now - child.started >= _RAN_WELL:
                    child.pause = _FIRST_PAUSE
                child.exits.append(child.process.returncode or 0 if child.process else 0)
                child.restart_at = now + child.pause
                child.pause = min(_LONGEST_PAUSE, child.pause * 2)
                found.append(child)
            elif now >= child.restart_at:
                await self._start(child)
        return found

    async def stop(self, grace: float = GRACE) -> None:
        """Ask all to end, wait, and kill what is left. Also when cancelled meanwhile nothing is left running."""
        running = [child.process for child in self.children if child.process and child.process.returncode is None]
        for process in running:
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace):
                await asyncio.gather(*(process.wait() for process in running))
        except TimeoutError:
            pass
        finally:
            for process in running:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
