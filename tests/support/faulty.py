"""A stage for faults: all services at work, a publisher that keeps going, and a proof at the end that nothing is amiss.

The proof compares database, dead letters and derived topics with a truth recomputed from what Kafka holds, by code
that shares nothing with the services.
"""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from signal import SIGCONT, SIGSTOP, SIGTERM
from typing import Any

import aiohttp

from services.operator.idle import wait_idle
from services.operator.processes import Child
from services.operator.standing import INTAKE_TOPICS
from services.runtime.database import Connection
from services.runtime.settings import Settings
from tests.support.comparing import require_agreement
from tests.support.databases import connect
from tests.support.effects import difference
from tests.support.interleaving import until_all_blocked
from tests.support.publishing import Publisher
from tests.support.reliability import Result, Tell
from tests.support.running import Running, address, addresses, environment
from tests.support.told import Ends, excused, require_last_words, times_told_again
from tests.support.truth import expected_state

PATIENCE = 90.0
"""Seconds within which whatever is waited for must happen."""
LOOK = 0.1
"""Seconds between looks."""


@dataclass
class Scene:
    """The stage while it is played on."""

    services: Running
    publisher: Publisher
    core: Mapping[str, Any]
    tell: Tell
    exits: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Ends of processes that a fault is meant to have: (service, exit code)."""

    @property
    def settings(self) -> Settings:
        """Those of the services, and of whoever looks on."""
        return self.services.settings

    def processes(self, service: str) -> list[Child]:
        """The replicas of a service."""
        return [child for child in self.services.fleet.children if child.service == service]

    async def until(self, reached: Callable[[], Any], patience: float = PATIENCE) -> float:
        """Look until `reached`, which may be a coroutine function; returns the seconds it took."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout(patience):
                while not (await found if asyncio.iscoroutine(found := reached()) else found):  # noqa: ASYNC110
                    await asyncio.sleep(LOOK)
        except TimeoutError:
            raise AssertionError(f"not within {patience:.0f} s\n{self.services.fleet.tails(8)}") from None
        return loop.time() - started

    async def lasts(self, seconds: float) -> None:
        """Let a fault last for so long: the time is the fault itself, and the only thing that a scene sleeps for."""
        await asyncio.sleep(seconds)

    async def flowing(self, patience: float = PATIENCE) -> None:
        """Wait until every process serves and every intake service has settled some records, lead scores among them."""

        async def all_flow() -> bool:
            settled = await self.settled()
            scored = await self.services.pool.fetchval("SELECT count(*) FROM sponsor_lead_scores")
            serving = all(addresses(child) for child in self.services.fleet.children)
            return serving and scored > 0 and all(settled[service] > 20 for service in INTAKE_TOPICS)

        await self.until(all_flow, patience)

    async def settles(self, more: int) -> None:
        """Wait until so many more records have been settled."""
        before = (await self.settled()).total()

        async def reached() -> bool:
            return (await self.settled()).total() >= before + more

        await self.until(reached)

    async def settled(self) -> Counter[str]:
        """How many records each intake service has settled."""
        counts: Counter[str] = Counter()
        for (service, _), outcomes in (await self.services.balance_in_database()).items():
            counts[service] += sum(outcomes)
        return counts

    async def recovered(
        self, patience: float = PATIENCE, meanwhile: Callable[[], Awaitable[object]] | None = None
    ) -> float:
        """Wait until all is settled that had been published when this was called, and more; returns the seconds.

        `meanwhile` is done before each look.
        """
        ends, before = await self.services.published(), await self.settled()

        async def reached() -> bool:
            if meanwhile is not None:
                await meanwhile()
            rows = await self.services.pool.fetch("SELECT service, partition, next_offset FROM stream_offsets")
            at = {(row["service"], row["partition"]): row["next_offset"] for row in rows}
            now = await self.settled()
            goes_on = all(now[service] > before[service] for service in INTAKE_TOPICS)
            return goes_on and all(at.get(place, 0) >= end for place, end in ends.items())

        return await self.until(reached, patience)

    @asynccontextmanager
    async def observer(self) -> AsyncIterator[Connection]:
        """Connect to the database, past whatever is between the services and it."""
        connection = await connect(self.settings.database_url.get_secret_value())
        try:
            yield connection
        finally:
            await connection.close()

    @asynccontextmanager
    async def holding(self, lock: str) -> AsyncIterator[Connection]:
        """Hold what the statement `lock` locks for the time of the block."""
        async with self.observer() as holder, holder.transaction():
            await holder.execute(lock)
            yield holder

    async def blocked(self, service: str, sessions: int = 1) -> None:
        """Wait until so many sessions of a service wait for locks that others hold."""
        async with self.observer() as observer:  # a transaction would look but once
            await until_all_blocked(observer, f"eventos-{service}", sessions)

    async def kill(self, child: Child) -> None:
        """Kill a process with -9; it is started again as `eventos up` would."""
        assert child.process is not None
        self.exits[child.service, -9] += 1
        child.process.kill()
        await child.process.wait()

    @contextmanager
    def frozen(self, child: Child) -> Iterator[None]:
        """Stop a process with SIGSTOP for the time of the block."""
        process = child.process
        assert process is not None
        process.send_signal(SIGSTOP)
        try:
            yield
        finally:
            if process.returncode is None:
                process.send_signal(SIGCONT)

    async def add(self, service: str, replicas: int) -> None:
        """Start more replicas of a service, and wait until they serve."""
        own = self.processes(service)
        new = [
            Child(service, number, self.services.fleet.children[0].log.with_name(f"{service}-{number}.log"))
            for number in range(len(own) + 1, len(own) + replicas + 1)
        ]
        for child in new:
            child.restart_at = 0.0
        self.services.fleet.children += new
        await self.until(lambda: all(child.running and child.log.exists() and addresses(child) for child in new))

    async def remove(self, child: Child) -> int:
        """Stop a replica for good with SIGTERM; returns its exit code."""
        self.services.fleet.children.remove(child)
        assert child.process is not None
        child.process.send_signal(SIGTERM)
        async with asyncio.timeout(PATIENCE):
            return await child.process.wait()

    def bring_back(self, child: Child) -> None:
        """Have a replica that was stopped started again."""
        child.restart_at = 0.0
        self.services.fleet.children.append(child)

    async def restart(self, child: Child) -> int:
        """Stop a replica with SIGTERM and start it again; returns its exit code."""
        code, before = await self.remove(child), len(addresses(child))
        self.bring_back(child)
        await self.until(lambda: len(addresses(child)) > before)
        return code

    async def command(self, *words: object) -> str:
        """Run an `eventos` command, which must succeed; returns its data."""
        process = await self.begin(*words)
        said, complained = await process.communicate()
        assert process.returncode == 0, complained.decode()
        return said.decode()

    async def begin(self, *words: object) -> asyncio.subprocess.Process:
        """Start an `eventos` command."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("EVENTOS_")}
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.operator", *map(str, words)),
            env={**clean, **environment(self.settings)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def page(self, child: Child, name: str) -> int:
        """The status of a process's page, such as `livez`."""
        async with aiohttp.ClientSession() as client, client.get(f"{address(child)}/{name}") as response:
            return response.status

    async def sum_of(self, service: str, metric: str, name: str | None = None) -> float:
        """What the processes of a service say of a metric, added up."""
        found = [s for child in self.processes(service) for s in await self.services.samples(child, metric)]
        return sum(float(sample.value) for sample in found if sample.name == (name or metric))

    async def prove(
        self, done: str, times: int = 1, recovery: float | None = None, *,
        truth: Iterable[Mapping[str, Any]] | None = None, beside: Mapping[tuple[str, int], int] | None = None,
        rewound: Ends | None = None,
    ) -> Result:  # fmt: skip
        """Let all come to rest, then compare everything with the truth; tells the table what was found.

        `truth` is what was published where Kafka no longer holds it, `beside` by how many records the positions' counts
        differ from what it holds. `rewound` is how far had been told when the database went back behind it.
        """
        await self.publisher.stop()
        await self.settle()
        held = await self.services.records()
        if truth is None:
            kept = {at: record.value for at, record in self.publisher.kept.items()}
            assert kept.items() <= {at: line.raw for at, line in held.items()}.items()
            truth = [line.record for line in held.values()]
        assert self.settings.as_of is not None
        expected, actual = expected_state(self.core, truth, self.settings.as_of), await self.services.state()
        lost, doubled = difference(expected, actual)
        again = await times_told_again(self.services)
        found = Result(done, times, len(held), lost, doubled, again, recovery)
        self.tell(found)
        await require_last_words(self.services, actual, rewound)
        require_agreement(expected, await excused(self.services, actual, rewound))
        await self.services.require_balance(beside)
        assert self.ended() == self.exits
        return found

    def ended(self) -> Counter[tuple[str, int]]:
        """How processes have ended that nobody had asked to."""
        return Counter((child.service, code) for child in self.services.fleet.children for code in child.exits)

    async def settle(self) -> None:
        """Wait until nothing is left to do."""
        try:
            await wait_idle(self.settings, self.services.pool, self.services.reader, patience=PATIENCE)
        except Exception as error:
            error.add_note(self.services.fleet.tails(8))
            raise
