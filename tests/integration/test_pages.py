"""What a process says of itself over HTTP, with its database there and away."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter
from pydantic import SecretStr

from services.runtime import health
from services.runtime.database import connect_pool
from services.runtime.health import HealthServer, Pulse
from services.runtime.service import _Readiness
from services.runtime.settings import Settings
from tests.support.databases import address, connect
from tests.support.interleaving import terminate
from tests.support.servers import Servers


@asynccontextmanager
async def pages(
    ready: Callable[[], Awaitable[str | None]], pulse: Pulse, registry: CollectorRegistry | None = None
) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve the pages on a free port; give a client of theirs."""
    server = HealthServer(registry or CollectorRegistry(), pulse, ready, "127.0.0.1", 0)
    runner, url = await server.start()
    try:
        async with aiohttp.ClientSession(url) as session:
            yield session
    finally:
        await runner.cleanup()


async def get(session: aiohttp.ClientSession, path: str) -> tuple[int, Any]:
    async with session.get(path) as answer:
        return answer.status, await answer.json()


async def nothing_missing() -> str | None:
    return None


async def test_a_loop_that_is_silent_too_long_is_named_until_it_goes_round_or_ends() -> None:
    pulse = Pulse(0.0)
    async with pages(nothing_missing, pulse) as session:
        assert await get(session, "/livez") == (200, {"silent": []})
        pulse.beat("relay")
        pulse.beat("lead_scores")
        assert await get(session, "/livez") == (503, {"silent": ["lead_scores", "relay"]})
        pulse.forget("lead_scores")
        assert await get(session, "/livez") == (503, {"silent": ["relay"]})
        pulse._timeout = 60.0
        assert await get(session, "/livez") == (200, {"silent": []})


async def test_a_process_is_ready_while_its_database_answers_and_alive_all_the_time(
    database_url: str, servers: Servers
) -> None:
    settings = Settings(kafka_bootstrap_servers="unused:9092", database_url=SecretStr(database_url))
    readiness, elsewhere = _Readiness(), await connect(address(servers, "postgres"))
    inside = await connect(database_url)
    name = await inside.fetchval("SELECT current_database()")
    async with pages(readiness.missing, Pulse(60)) as session:
        assert await get(session, "/readyz") == (503, {"missing": "no database connection yet"})
        readiness.pool = await connect_pool(settings, "outbox_relay")
        assert await get(session, "/readyz") == (200, {"missing": None})

        await elsewhere.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await terminate(inside, "eventos-outbox_relay")
        status, said = await get(session, "/readyz")
        assert (status, said["missing"].startswith("the database does not answer")) == (503, True)
        assert await get(session, "/livez") == (200, {"silent": []})

        await elsewhere.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        assert await get(session, "/readyz") == (200, {"missing": None})
    readiness.pool.terminate()
    await inside.close()
    await elsewhere.close()


async def test_a_database_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "READY_TIMEOUT", 0.05)

    async def hang() -> str | None:
        await asyncio.Event().wait()
        return None

    async with pages(hang, Pulse(60)) as session:
        assert await get(session, "/readyz") == (503, {"missing": "the database does not answer (TimeoutError)"})


async def test_metrics_are_served_as_prometheus_reads_them() -> None:
    registry = CollectorRegistry()
    Counter("eventos_things", "Things", registry=registry).inc()
    async with pages(nothing_missing, Pulse(60), registry) as session, session.get("/metrics") as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, CONTENT_TYPE_LATEST)
        assert "eventos_things_total 1.0" in await answer.text()
