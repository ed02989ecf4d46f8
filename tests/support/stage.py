"""Where scenes of faults are set: the services, a publisher, and a season for them."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.operator.processes import SERVICES
from services.runtime.settings import Settings
from tests.support.faulty import LOOK, Scene
from tests.support.publishing import publishing, unique
from tests.support.reliability import Tell
from tests.support.running import Running, running
from tests.support.season import season


@dataclass(frozen=True)
class Stage:
    """Where a test sets its scenes."""

    settings: Settings
    logs: Path
    tell: Tell

    @asynccontextmanager
    async def scene(
        self, *, seed: int = 2026, rate: float = 100, replicas: int = 1, services: Iterable[str] = SERVICES,
        on: Mapping[str, str] | None = None, records: int = 16_000, **changes: Any,
    ) -> AsyncIterator[Scene]:  # fmt: skip
        """Start the services and the publisher; processes that end are started again, as `eventos up` does."""
        made = season(seed, records)
        usual = {"as_of": made.as_of, "batch_records": 200, "session_timeout": 6.0, "stop_timeout": 5.0}
        own = self.settings.model_copy(update={**usual, **changes})
        async with (
            running(own, self.logs, made.core, replicas=replicas, services=services, on=on) as processes,
            publishing(own, unique(made.records), rate) as publisher,
            _reviving(processes),
        ):
            yield Scene(processes, publisher, made.core, self.tell)


@asynccontextmanager
async def _reviving(services: Running) -> AsyncIterator[None]:
    async def revive() -> None:
        while True:
            await services.fleet.revive()
            await asyncio.sleep(LOOK)

    keeper = asyncio.create_task(revive())
    try:
        yield
    finally:
        keeper.cancel()
        await asyncio.wait([keeper])
