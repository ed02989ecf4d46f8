"""Postgres goes away, hangs, fills up, and comes back without its last seconds."""

import asyncio

import aiohttp
import pytest

from services.operator.processes import INTAKE_SERVICES, SERVICES
from tests.support.faulty import Scene, Stage
from tests.support.own_servers import OwnPostgres
from tests.support.proxy import Proxy, proxy
from tests.support.running import address

pytestmark = pytest.mark.timeout(300)


def through(made: Proxy, stage: Stage) -> dict[str, str]:
    """What the services' environment needs so that they reach the stage's database through a proxy."""
    return {"EVENTOS_DATABASE_URL": made.url(stage.settings.database_url.get_secret_value())}


@pytest.mark.proves(2)
async def test_connections_cut_around_a_commit_apply_each_batch_once(stage: Stage) -> None:
    async with (
        proxy(stage.settings.database_url.get_secret_value()) as between,
        stage.scene(on=through(between, stage)) as it,
    ):
        await it.flowing()
        for _ in range(10):
            between.cut_at_commits("before", "after", "after")
            await it.until(lambda: between.commits_to_cut == 0)
        seconds = await it.recovered()
        await it.prove("proxy cut 10 connections with a COMMIT on its way, 20 with its answer", 30, seconds)


@pytest.mark.long
@pytest.mark.proves(5)
async def test_while_postgres_is_away_services_wait_alive_and_not_ready_and_go_on_by_themselves(
    stage_on_breakable_postgres: Stage, breakable_postgres: OwnPostgres
) -> None:
    """Every time limit on the way is exceeded: the session's, the poll interval's and the watchdog's."""
    on = {"EVENTOS_FAUST_BROKER_MAX_POLL_INTERVAL": "8"}
    async with stage_on_breakable_postgres.scene(on=on, watchdog_timeout=12.0) as it:
        await it.flowing()
        await breakable_postgres.stop()
        await asyncio.sleep(25)
        pages = {child.name: (await _page(it, child.name, "livez"), await _page(it, child.name, "readyz"))
                 for child in it.services.fleet.children}  # fmt: skip
        await breakable_postgres.start()
        assert pages == dict.fromkeys([f"{service}-1" for service in SERVICES], (200, 503))
        seconds = await it.recovered()
        await it.prove("Postgres stopped for 25 s, poll interval 8 s, watchdog at 12 s", 1, seconds)


@pytest.mark.long
@pytest.mark.proves(5)
async def test_a_postgres_that_is_killed_and_recovers_from_its_log_costs_nothing(
    stage_on_breakable_postgres: Stage, breakable_postgres: OwnPostgres
) -> None:
    async with stage_on_breakable_postgres.scene() as it:
        await it.flowing()
        for _ in range(3):
            await breakable_postgres.kill()
            await breakable_postgres.start()
            seconds = await it.recovered()
        await it.prove("Postgres killed with -9, all of its processes", 3, seconds)


@pytest.mark.long
@pytest.mark.proves(6)
async def test_an_assignment_while_postgres_hangs_is_claimed_behind_and_the_next_one_works(stage: Stage) -> None:
    async with (
        proxy(stage.settings.database_url.get_secret_value()) as between,
        stage.scene(on=through(between, stage), claim_timeout=1.0) as it,
    ):
        await it.flowing()
        between.stall()
        await asyncio.gather(*(it.add(service, 1) for service in INTAKE_SERVICES))  # nobody can connect, all serve
        await asyncio.sleep(10)
        between.flow()
        seconds = await it.recovered()
        postponed = sum(child.log.read_text("utf-8").count("claim_postponed") for child in it.services.fleet.children)
        assert postponed > 0
        await asyncio.gather(*(it.remove(it.processes(service)[0]) for service in INTAKE_SERVICES))
        await it.recovered()
        await it.prove(
            f"Postgres hung for 10 s while replicas joined ({postponed} claims postponed), then they left", 1, seconds
        )


@pytest.mark.long
@pytest.mark.proves(24)
async def test_a_failover_that_loses_its_tail_takes_positions_and_effects_back_together(
    stage_on_breakable_postgres: Stage, breakable_postgres: OwnPostgres
) -> None:
    async with stage_on_breakable_postgres.scene() as it:
        await it.flowing()
        await breakable_postgres.copy()
        copied = (await it.settled()).total()
        await it.until(lambda: _beyond(it, copied + 500))
        await breakable_postgres.kill()
        breakable_postgres.go_back_to_copy()
        await breakable_postgres.start()
        rewound = (await it.settled()).total()
        assert rewound < copied + 400
        seconds = await it.recovered()
        await it.prove(
            "killed Postgres replaced by a copy of itself from 500 records before", 1, seconds, chained=False
        )


async def _beyond(it: Scene, count: int) -> bool:
    return (await it.settled()).total() > count


async def _page(it: Scene, name: str, page: str) -> int:
    (child,) = [child for child in it.services.fleet.children if child.name == name]
    async with aiohttp.ClientSession() as client, client.get(f"{address(child)}/{page}") as response:
        return response.status
