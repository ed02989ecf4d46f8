"""Waking those who wait for marks or outbox rows: NOTIFY after the commit, with a poll behind it."""

import asyncio
from collections.abc import Collection
from contextlib import suppress

import structlog

from services.runtime.database import Connection, Fault, classify, connect
from services.runtime.settings import Settings
from services.runtime.sql import load_queries

log = structlog.get_logger(__name__)
queries = load_queries(__package__)

SIGN_OF_LIFE = 30.0
"""Seconds between looks whether a connection that only listens is still one."""

OUTBOX_CHANNEL = "eventos_outbox"


def marks_channel(projection: str) -> str:
    """The channel on which a projection hears of its marks."""
    return f"eventos_marks_{projection}"


async def wake(connection: Connection, projections: Collection[str], *, outbox: bool) -> None:
    """Tell the waiting. Outside the transaction, for NOTIFY inside it would put all commits in one line.

    A notice may be lost, with the connection: the effects are committed, and the poll finds them.
    """
    channels = [marks_channel(projection) for projection in projections] + [OUTBOX_CHANNEL] * outbox
    if not channels:
        return
    try:
        await connection.execute(queries["notify"], channels)
    except Exception as error:
        if classify(error) is not Fault.TRANSIENT:
            raise
        log.info("notice_lost", error=type(error).__name__)


class Bell:
    """Hears the notices of one channel, for as long as it runs; rings once for many."""

    def __init__(self, settings: Settings, service: str, channel: str) -> None:
        self._settings, self._service, self._channel = settings, service, channel
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake who waits."""
        self._rung.set()

    async def wait(self, seconds: float) -> bool:
        """Wait for a notice, at most `seconds`; return whether one came. Forgets it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        rung = self._rung.is_set()
        self._rung.clear()
        return rung

    async def run(self) -> None:
        """Listen until cancelled; a lost connection is made again, and rings, for notices may have been missed."""
        while True:
            try:
                await self._listen()
            except Exception as error:
                if classify(error) is not Fault.TRANSIENT:
                    raise
                log.warning("listener_lost", channel=self._channel, error=type(error).__name__)
            self.ring()
            await asyncio.sleep(1)

    async def _listen(self) -> None:
        connection = await connect(self._settings, self._service)
        try:
            gone = asyncio.Event()
            connection.add_termination_listener(lambda _: gone.set())
            await connection.add_listener(self._channel, lambda *_: self.ring())
            self.ring()
            while not gone.is_set():
                try:
                    async with asyncio.timeout(SIGN_OF_LIFE):
                        await gone.wait()
                except TimeoutError:
                    await connection.execute(queries["ping"])  # a network that drops packets tells nobody
        finally:
            connection.terminate()
