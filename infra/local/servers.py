"""Server processes of the local stack: each has a folder of its own and ends with what started it.

A server is known by its command line, which begins with its folder. So one that outlived a launcher killed
with -9 is found again by the next start, and no process of anybody else is ever signalled.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

# Postgres refuses to run as root. It then runs as this user, and keeps the right to enter root's folders, also where
# it asks by access(2), which goes by the user alone unless that is switched off.
UNPRIVILEGED_USER = "nobody"
_AS_UNPRIVILEGED = (
    f"--reuid={UNPRIVILEGED_USER}",
    "--regid=nogroup",
    "--clear-groups",
    "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
    "--securebits=+no_setuid_fixup",
)


class ServerError(Exception):
    """A server cannot be started, or ended too early. The message is one for the user."""


@dataclass(frozen=True)
class Server:
    """A running server that this process started."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    stop_signal: signal.Signals

    def ended(self) -> str | None:
        """Say that the server ended, and why as far as its log tells; None while it runs."""
        code = self.process.poll()
        if code is None:
            return None
        return f"{self.name} ended ({_how(code)}): {last_error(self.log)}\nIts log: {self.log}"

    def stop(self, timeout: float = 20.0) -> None:
        """Ask the server to end, and kill it after `timeout` seconds."""
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def wait_until(self, ready: Callable[[], bool], timeout: float = 120.0) -> None:
        """Poll `ready` until it is true. Raises ServerError when the server ends or after `timeout` s."""
        deadline = time.monotonic() + timeout
        while not ready():
            if fault := self.ended():
                raise ServerError(fault)
            if time.monotonic() > deadline:
                raise ServerError(f"{self.name} did not answer within {timeout:.0f} s. Its log: {self.log}")
            time.sleep(0.05)


def start(
    name: str,
    command: Sequence[str],
    log: Path,
    *,
    stop_signal: signal.Signals,
    environment: Mapping[str, str] | None = None,
    unprivileged: bool = False,
) -> Server:
    """Start a server whose output goes to `log`.

    On Linux the kernel sends it `stop_signal` when the calling *thread* ends: call this from the main thread.
    Raises ServerError when the program cannot be run.
    """
    full = [*_setpriv(stop_signal, unprivileged), *command]
    try:
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - the command is the caller's own
                full,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,  # Ctrl-C reaches the launcher only, which stops its servers in order
            )
    except FileNotFoundError as error:
        raise ServerError(f"{name} cannot be started: {error.filename} is not installed") from None
    return Server(name, process, log, stop_signal)


def run(name: str, command: Sequence[str], log: Path, *, unprivileged: bool = False) -> None:
    """Run a program to its end, as `start` would. Raises ServerError when it fails."""
    server = start(name, command, log, stop_signal=signal.SIGTERM, unprivileged=unprivileged)
    server.process.wait()
    if server.process.returncode:
        raise ServerError(server.ended() or name)


def stop_orphans(program: str, arguments: Sequence[str], stop_signal: signal.Signals, timeout: float = 15.0) -> int:
    """End processes of `program` whose command line goes on with `arguments`; return how many there were.

    Only for the holder of the folder that the arguments name: whatever else runs there has lost its launcher.
    """

    def is_ours(words: Sequence[str]) -> bool:
        return Path(words[0]).name == program and list(words[1 : 1 + len(arguments)]) == list(arguments)

    running = psutil.process_iter(["cmdline"])
    orphans = [process for process in running if (words := process.info["cmdline"]) and is_ours(words)]
    for process in orphans:
        _signal(process, stop_signal)
    _, alive = psutil.wait_procs(orphans, timeout)
    for process in alive:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(alive, timeout)
    return len(orphans)


def last_error(log: Path) -> str:
    """The last line of a log that speaks of an error, or its last line."""
    lines = [line for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
    telling = [
        line for line in lines if any(word in line for word in ("FATAL", "ERROR", "Error", "Exception", "error:"))
    ]
    return (telling or lines or ["it wrote nothing"])[-1].strip()


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)  # psutil makes sure that the pid is still the process it saw


def _setpriv(stop_signal: signal.Signals, unprivileged: bool) -> list[str]:
    """The words before a command that tie it to this process, and take root's rights from it."""
    drop = unprivileged and os.geteuid() == 0
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    if setpriv is None:
        if drop:
            raise ServerError("Postgres does not run as root: start this as another user, or install util-linux")
        return []
    return [setpriv, *(_AS_UNPRIVILEGED if drop else ()), f"--pdeathsig={stop_signal.name}", "--"]


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
