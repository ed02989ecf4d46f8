"""Processes killed with -9 while they work, at moments that a seed decides."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from services.operator.processes import INTAKE_SERVICES, SERVICES, Child
from tests.support.running import Running, addresses

_PATIENCE = 300.0
"""Seconds within which some record must be settled, whoever was killed."""


@dataclass
class Kills:
    """What was killed, and how much of its work was then left. Moments are shares of the records that are settled."""

    seed: int
    times: int
    moments: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    left: Counter[str] = field(default_factory=Counter)
    victims: Counter[str] = field(default_factory=Counter)

    def serves(self, child: Child) -> bool:
        """Whether the process has come so far as to serve its pages, as all of those that were killed had."""
        return len(addresses(child)) > self.victims[child.name]

    def table(self) -> str:
        """A row per service."""
        lines = [f"killed with -9, seed {self.seed}", f"{'service':<18} kills  with work left  at (% settled)"]
        for service in SERVICES:
            at = " ".join(f"{100 * moment:.0f}" for moment in self.moments[service])
            lines.append(f"{service:<18} {len(self.moments[service]):>5}  {self.left[service]:>14}  {at}")
        return "\n".join(lines)


async def kill_while_draining(services: Running, published: Mapping[str, int], kills: Kills) -> None:
    """Kill a process of each service `times` times while it drains, once it serves, and start it again at once.

    `published` says how many records each intake service has to settle. Kills of an intake service wait for its own
    progress, those of the others for everyone's. Raises Failure when a service ends by itself.
    """
    rng = Random(kills.seed)
    due = {service: sorted(rng.uniform(0, 0.95) for _ in range(kills.times)) for service in SERVICES}
    loop = asyncio.get_running_loop()
    before, moved = -1.0, loop.time()
    while any(due.values()):
        services.fleet.require_alive()
        settled = await _settled(services, published)
        if sum(settled.values()) != before:
            before, moved = sum(settled.values()), loop.time()
        assert loop.time() - moved < _PATIENCE, f"nothing is settled any more: {settled}\n{services.fleet.tails()}"
        reached = {service for service in SERVICES if due[service] and settled[service] >= due[service][0]}
        victims = [child for child in services.fleet.children if child.service in reached and kills.serves(child)]
        if not victims:
            await asyncio.sleep(rng.uniform(0, 0.05))
            continue
        victim = rng.choice(victims)
        due[victim.service].pop(0)
        kills.moments[victim.service].append(settled[victim.service])
        kills.left[victim.service] += settled[victim.service] < 1
        kills.victims[victim.name] += 1
        await _kill(services, victim)


async def _kill(services: Running, victim: Child) -> None:
    assert victim.process is not None
    victim.process.kill()
    await victim.process.wait()
    victim.restart_at = 0.0
    await services.fleet.revive()


async def _settled(services: Running, published: Mapping[str, int]) -> dict[str, float]:
    """The share of its records that each service has settled; of all of them for those that have none of their own."""
    balance = await services.balance_in_database()
    counts = Counter[str]()
    for (service, _), outcomes in balance.items():
        counts[service] += sum(outcomes)
    together = sum(counts.values()) / sum(published.values())
    return {
        service: counts[service] / published[service] if service in INTAKE_SERVICES else together
        for service in SERVICES
    }  # fmt: skip
