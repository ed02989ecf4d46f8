"""Faults drawn at random while load goes on: what is done when follows from a seed."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import asyncpg

from services.operator.processes import INTAKE_SERVICES, SERVICES, Child
from tests.support.databases import connect
from tests.support.faulty import Scene
from tests.support.own_servers import OwnKafka, OwnPostgres, hanging
from tests.support.proxy import Proxy

_LOCKS = (
    "SELECT FROM stream_offsets FOR UPDATE",
    "SELECT FROM outbox FOR UPDATE",
    "SELECT FROM sponsors FOR UPDATE",
    "LOCK TABLE sponsor_lead_scores IN SHARE MODE",
    "LOCK TABLE event_dashboards IN SHARE MODE",
    "LOCK TABLE stale_marks IN SHARE MODE",
)
_LOST = (OSError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError, asyncpg.InterfaceError)


@dataclass
class Chaos:
    """Does faults to a scene, one after the other, some of them lasting while the next begin."""

    it: Scene
    kafka: OwnKafka
    postgres: OwnPostgres
    between: Proxy
    rng: Random
    done: Counter[str] = field(default_factory=Counter)
    story: list[str] = field(default_factory=list)
    _lasting: list[asyncio.Task[None]] = field(default_factory=list)

    async def reign(self, seconds: float) -> None:
        """Go on for so long, then let everything lasting come to its end."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end:
            fault = self.rng.choice(self._faults())
            name = fault.__name__.strip("_")
            self.done[name] += 1
            self.story.append(f"{seconds - end + loop.time():6.1f} s  {name}")
            await fault()
            await asyncio.sleep(self.rng.uniform(0.2, 6))
        await asyncio.gather(*self._lasting)

    def _faults(self) -> Sequence[Callable[[], Coroutine[Any, Any, None]]]:
        often = [self._kill, self._freeze, self._cut, self._cut_at_commits, self._hold_a_lock]
        seldom = [self._restart, self._stall, self._refuse, self._stop_kafka, self._kill_kafka, self._hang_kafka,
                  self._kill_postgres, self._stop_postgres]  # fmt: skip
        return often * 3 + seldom

    def _last(self, lasting: Coroutine[Any, Any, None]) -> None:
        self._lasting.append(asyncio.create_task(lasting))

    def _anyone(self) -> Child | None:
        service = self.rng.choice(SERVICES)
        up = [child for child in self.it.processes(service) if child.running]
        return self.rng.choice(up) if up else None

    async def _kill(self) -> None:
        if child := self._anyone():
            await self.it.kill(child)

    async def _freeze(self) -> None:
        """Most often for less than a session lasts, at times for longer."""
        if child := self._anyone():
            self._last(self._keep_frozen(child, self.rng.choice([0.5, 2, 4, 9, 15])))

    async def _keep_frozen(self, child: Child, seconds: float) -> None:
        with self.it.frozen(child):
            await asyncio.sleep(seconds)

    async def _restart(self) -> None:
        service = self.rng.choice(INTAKE_SERVICES)
        up = [child for child in self.it.processes(service) if child.running]
        if up:
            await self.it.restart(self.rng.choice(up))

    async def _cut(self) -> None:
        self.between.cut()

    async def _cut_at_commits(self) -> None:
        self.between.cut_at_commits(self.rng.choice(["before", "after"]))

    async def _stall(self) -> None:
        self.between.stall()
        await asyncio.sleep(self.rng.uniform(0.5, 12))
        self.between.flow()

    async def _refuse(self) -> None:
        self.between.refuse()
        await asyncio.sleep(self.rng.uniform(0.5, 12))
        self.between.flow()

    async def _hold_a_lock(self) -> None:
        self._last(self._hold(self.rng.choice(_LOCKS), self.rng.uniform(0.2, 8)))

    async def _hold(self, lock: str, seconds: float) -> None:
        try:
            holder = await connect(self.postgres.url)
            async with holder.transaction():
                await holder.execute(lock)
                await asyncio.sleep(seconds)
            await holder.close()
        except _LOST:
            return  # Postgres went away with the lock

    async def _stop_kafka(self) -> None:
        await self.kafka.stop()
        await asyncio.sleep(self.rng.uniform(0, 8))
        await self.kafka.start()

    async def _kill_kafka(self) -> None:
        await self.kafka.kill()
        await self.kafka.start()

    async def _hang_kafka(self) -> None:
        with hanging(self.kafka.server):
            await asyncio.sleep(self.rng.uniform(1, 12))

    async def _kill_postgres(self) -> None:
        await self.postgres.kill()
        await self.postgres.start()

    async def _stop_postgres(self) -> None:
        await self.postgres.stop()
        await asyncio.sleep(self.rng.uniform(0, 8))
        await self.postgres.start()
