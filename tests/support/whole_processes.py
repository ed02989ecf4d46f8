"""Commands as processes of their own, with all that they start; nothing outlives the test."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]


class Command:
    """A running `eventos` command, and what it wrote so far."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process, self.log = process, log

    @property
    def written(self) -> str:
        """Both of its outputs."""
        return self.log.read_text("utf-8", "replace")

    def family(self) -> list[psutil.Process]:
        """The processes that it has started, and theirs."""
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def services(self) -> list[psutil.Process]:
        """Those that are services."""
        return [child for child in self.family() if "--attached" in _words(child)]

    def wait_until(self, reached: Callable[[], bool], timeout: float = 120) -> None:
        """Look until `reached`; fail if the command ends first."""
        deadline = time.monotonic() + timeout
        while not reached():
            assert self.process.poll() is None, self.written
            assert time.monotonic() < deadline, self.written
            time.sleep(0.1)

    def end(self, number: signal.Signals, timeout: float = 120) -> int:
        """Send a signal, and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout)


@contextmanager
def running(log: Path, *words: object, environment: Mapping[str, str] | None = None) -> Iterator[Command]:
    """Start a command without any setting but `environment`; kill it and its family at the end."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("EVENTOS_")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.operator", *map(str, words)],
            cwd=ROOT,
            env={**clean, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    command = Command(process, log)
    try:
        yield command
    finally:
        left = command.family()
        process.kill()
        process.wait()
        for child in left:
            if child.is_running():
                child.kill()
        psutil.wait_procs(left, 10)


def gone(family: list[psutil.Process], timeout: float = 60) -> bool:
    """Whether all of these have ended, within `timeout` seconds."""
    _, alive = psutil.wait_procs(family, timeout)
    return not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []
