"""Nobody needs a notice: what waits is found by the poll."""

import asyncio
from collections.abc import Sequence

import pytest
from pydantic import SecretStr

from services.runtime.database import Connection, connect_pool
from services.runtime.effects import Derived
from services.runtime.health import Pulse
from services.runtime.metrics import ServiceMetrics
from services.runtime.projection import AT_ONCE, Key, Projection
from services.runtime.settings import Settings
from services.runtime.wake import Bell, marks_channel
from tests.support.crm import add_sponsor
from tests.support.interleaving import DEADLINE

pytestmark = pytest.mark.proves(27)


class Noting:
    """A view that only notes which keys are stale."""

    name = "lead_scores"
    pace = AT_ONCE

    def __init__(self) -> None:
        self.found: asyncio.Queue[str] = asyncio.Queue()

    async def project(self, connection: Connection, keys: Sequence[Key]) -> list[Derived]:
        """Note the keys."""
        for key in keys:
            self.found.put_nowait(key.key)
        return []


class Deaf(Bell):
    """Hears nothing, for it does not listen; says that it is waited for."""

    def __init__(self, settings: Settings, service: str, channel: str) -> None:
        super().__init__(settings, service, channel)
        self.waited = asyncio.Event()

    async def wait(self, seconds: float) -> bool:
        """Say so, and wait."""
        self.waited.set()
        return await super().wait(seconds)


async def test_marks_whose_notice_is_lost_are_found_by_the_poll(connection: Connection, database_url: str) -> None:
    """A mark comes when nothing was stale any more, and nobody rings."""
    settings = Settings(kafka_bootstrap_servers="unused:9092", database_url=SecretStr(database_url), poll_interval=0.05)
    sponsor, view = await add_sponsor(connection), Noting()
    await connection.execute("DELETE FROM stale_marks")
    pool = await connect_pool(settings, "lead_scoring")
    projection = Projection(view, "lead_scoring", pool, settings, ServiceMetrics("lead_scoring"), Pulse(60))
    bell = Deaf(settings, "lead_scoring", marks_channel(view.name))
    running = asyncio.create_task(projection.run(bell))
    async with asyncio.timeout(DEADLINE):
        for _ in "12":
            bell.waited.clear()
            await bell.waited.wait()
            await connection.execute(
                "INSERT INTO stale_marks (projection, shard, kind, key) VALUES ($1, shard_of($2), 'sponsor', $2)",
                view.name,
                sponsor,
            )
            assert await view.found.get() == sponsor
    running.cancel()
    await asyncio.wait([running])
    pool.terminate()
