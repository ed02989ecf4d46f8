"""What a process says of itself: `/metrics`, `/livez` (its loops go round) and `/readyz` (its database answers)."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

READY_TIMEOUT = 2.0


class Pulse:
    """When each loop of the process last went round, on the monotonic clock.

    A loop that waits for Postgres beats too: being patient is not being dead.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._beats: dict[str, float] = {}

    def beat(self, loop: str) -> None:
        """Say that `loop` went round just now."""
        self._beats[loop] = time.monotonic()

    def forget(self, loop: str) -> None:
        """Say that `loop` has ended, as it should."""
        self._beats.pop(loop, None)

    def silent(self) -> list[str]:
        """The loops that have not gone round for longer than the timeout."""
        latest = time.monotonic() - self._timeout
        return sorted(loop for loop, beat in self._beats.items() if beat < latest)


class HealthServer:
    """Serves the three pages until cancelled."""

    def __init__(
        self,
        registry: CollectorRegistry,
        pulse: Pulse,
        ready: Callable[[], Awaitable[str | None]],
        host: str,
        port: int,
    ) -> None:
        self._registry, self._pulse, self._ready = registry, pulse, ready
        self._host, self._port = host, port

    async def start(self) -> tuple[web.AppRunner, str]:
        """Listen; return the runner, whose `cleanup` ends it, and the address. Raises OSError when it is taken."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/metrics", self._metrics),
                web.get("/livez", self._livez),
                web.get("/readyz", self._readyz),
            ]
        )
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, self._host, self._port).start()
        host, port = runner.addresses[0][:2]
        return runner, f"http://{host}:{port}"

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _livez(self, request: web.Request) -> web.Response:
        silent = self._pulse.silent()
        return web.json_response({"silent": silent}, status=503 if silent else 200)

    async def _readyz(self, request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(READY_TIMEOUT):
                missing = await self._ready()
        except Exception as error:
            missing = f"the database does not answer ({type(error).__name__})"
        return web.json_response({"missing": missing}, status=503 if missing else 200)
