"""Projections on a database of a test's own, as a service's process has them; marks, and views that are scripted."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from pydantic import SecretStr

from services.runtime.contributions import write_effects
from services.runtime.database import Connection, connect_pool
from services.runtime.effects import Derived, Effects, Mark
from services.runtime.health import Pulse
from services.runtime.metrics import ServiceMetrics
from services.runtime.projection import AT_ONCE, Key, Pace, Projection
from services.runtime.settings import Settings
from services.sponsor_activity.app import ProposalViews

VIEW = "proposal_views"
SERVICE = "sponsor_activity"


@dataclass
class Scripted:
    """A view that keeps what it is given, and fails on some keys."""

    name: str = VIEW
    pace: Pace = AT_ONCE
    failing: set[str] = field(default_factory=set)
    error: Exception = field(default_factory=ZeroDivisionError)
    rounds: list[list[str]] = field(default_factory=list)

    async def project(self, connection: Connection, keys: Sequence[Key]) -> list[Derived]:
        """Tell of each key."""
        self.rounds.append([key.key for key in keys])
        derived = [Derived("dashboard-updates", key.key, "told", b"{}") for key in keys]
        if any(key.key in self.failing for key in keys):
            raise self.error
        return derived

    def computed(self) -> list[str]:
        """What rounds that did not fail were about, in order."""
        return [key for keys in self.rounds if not self.failing.intersection(keys) for key in keys]


class HeldViews(ProposalViews):
    """The real view, holding its first round between its reading and its writing."""

    def __init__(self) -> None:
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    async def project(self, connection: Connection, keys: Sequence[Key]) -> list[Derived]:
        """Project, tell, and wait."""
        await super().project(connection, keys)
        self.reached.set()
        await self.go.wait()
        return []


@asynccontextmanager
async def projection(database_url: str, view: Scripted | ProposalViews, **settings: int) -> AsyncIterator[Projection]:
    made = Settings(kafka_bootstrap_servers="unused:9092", database_url=SecretStr(database_url)).model_copy(
        update=settings
    )
    pool = await connect_pool(made, SERVICE)
    try:
        yield Projection(view, SERVICE, pool, made, ServiceMetrics(SERVICE), Pulse(60))
    finally:
        pool.terminate()


def keys_of(shard: int, count: int) -> list[str]:
    """Ids whose marks belong to `shard`, in their order."""
    return sorted(str(UUID(int=uuid4().int & ~0xF | shard)) for _ in range(count))


async def mark(connection: Connection, *keys: str) -> None:
    """Mark these keys, as intake does."""
    await write_effects(connection, SERVICE, Effects(marks={Mark(VIEW, "proposal", key) for key in keys}), 0)


async def marks(connection: Connection) -> list[str]:
    rows = await connection.fetch("SELECT key::text FROM stale_marks WHERE projection = $1 ORDER BY 1", VIEW)
    return [row[0] for row in rows]
