"""Postgres goes away, hangs, fills up, and comes back without its last seconds."""

import asyncio
import os
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr

from services.operator.processes import GRACE, INTAKE_SERVICES, SERVICES
from services.runtime.settings import Settings
from tests.support.faulty import Scene
from tests.support.own_servers import OwnPostgres, own_postgres
from tests.support.proxy import Proxy, proxy
from tests.support.reliability import Tell
from tests.support.servers import Servers
from tests.support.small_disk import fill, small_database
from tests.support.stage import Stage
from tests.support.told import told_so_far

pytestmark = pytest.mark.timeout(300)


RETRIES = "eventos_database_retries"


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
        await it.lasts(25)
        pages = {
            child.name: (await it.page(child, "livez"), await it.page(child, "readyz"))
            for child in it.services.fleet.children
        }
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
        await asyncio.gather(*(it.add(service, 1) for service in INTAKE_SERVICES))
        await it.recovered()
        between.stall()
        for service in INTAKE_SERVICES:
            await it.kill(it.processes(service)[0])
        await it.until(lambda: _postponed(it) >= len(INTAKE_SERVICES))
        between.flow()
        seconds = await it.recovered()
        for service in INTAKE_SERVICES:
            assert await it.remove(it.processes(service)[1]) == 0
        await it.recovered()
        await it.prove("Postgres hung while one of two replicas was killed; later the other one left", 1, seconds)


@pytest.mark.long
@pytest.mark.proves(5, 20)
async def test_who_is_asked_to_stop_while_postgres_hangs_ends_in_time_and_in_order(stage: Stage) -> None:
    async with (
        proxy(stage.settings.database_url.get_secret_value()) as between,
        stage.scene(on=through(between, stage), rate=300) as it,
    ):
        await it.flowing()
        between.stall()
        await it.lasts(3)
        children = list(it.services.fleet.children)
        async with asyncio.timeout(GRACE):
            assert await asyncio.gather(*map(it.remove, children)) == [0] * len(SERVICES)
        between.flow()
        for child in children:
            it.bring_back(child)
        seconds = await it.recovered()
        await it.prove("SIGTERM to each service while Postgres hung", len(children), seconds)


def _postponed(it: Scene) -> int:
    """How many of the processes have put a claim off."""
    return sum("claim_postponed" in child.log.read_text("utf-8") for child in it.services.fleet.children)


@pytest.mark.long
@pytest.mark.proves(24)
async def test_a_failover_that_loses_its_tail_takes_positions_and_effects_back_together(
    stage_on_breakable_postgres: Stage, breakable_postgres: OwnPostgres
) -> None:
    async with stage_on_breakable_postgres.scene() as it:
        await it.flowing()
        await breakable_postgres.copy()
        copied = (await it.settled()).total()
        await it.settles(500)
        await breakable_postgres.kill()
        breakable_postgres.go_back_to_copy()
        told = await told_so_far(it.services)
        await breakable_postgres.start()
        assert (await it.settled()).total() < copied + 400
        seconds = await it.recovered()
        done = "killed Postgres replaced by a copy of itself from 500 records before"
        await it.prove(done, 1, seconds, rewound=told)


@pytest.mark.long
@pytest.mark.proves(25)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
async def test_a_full_disk_is_waited_for(
    servers: Servers, template_database: str, settings: Settings, tmp_path: Path, tell: Tell
) -> None:
    """The database is in a tablespace on a small disk, which is filled up and emptied again."""
    with small_database(servers, template_database, megabytes=160) as (url, disk):
        stage = Stage(settings.model_copy(update={"database_url": SecretStr(url)}), tmp_path, tell)
        async with stage.scene() as it:
            await it.flowing()
            fill(disk)
            full = await it.until(lambda: _retried(it, "DiskFullError", len(INTAKE_SERVICES)))
            disk.joinpath("ballast").unlink()
            seconds = await it.recovered()
            await it.prove(f"disk of the database full until all intake services had failed, {full:.0f} s", 1, seconds)


@pytest.mark.long
@pytest.mark.proves(25)
async def test_a_server_without_a_free_connection_is_waited_for(settings: Settings, tmp_path: Path, tell: Tell) -> None:
    async with own_postgres(max_connections="60") as server:
        stage = Stage(settings.model_copy(update={"database_url": SecretStr(server.url)}), tmp_path, tell)
        async with stage.scene() as it:
            await it.flowing()
            async with it.observer() as owner, AsyncExitStack() as taken:

                async def squeezed() -> bool:  # a service may be quick enough to have its connections again
                    await owner.execute(_END_SESSIONS)
                    await _take_all(server.url, taken)
                    return await _retried(it, "TooManyConnectionsError", len(INTAKE_SERVICES))

                full = await it.until(squeezed)
            seconds = await it.recovered()
            await it.prove(f"all sessions ended, all 60 connections taken by others for {full:.0f} s", 1, seconds)


async def _take_all(url: str, taken: AsyncExitStack) -> None:
    """Open connections until there are no more."""
    with suppress(asyncpg.TooManyConnectionsError):
        while True:
            connection = await asyncpg.connect(url)
            taken.push_async_callback(connection.close)


_END_SESSIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name LIKE 'eventos-%' AND application_name <> 'eventos-operator'"
)


async def _retried(it: Scene, kind: str, services: int) -> bool:
    """Whether so many services have met this kind of fault."""
    met = 0
    for service in SERVICES:
        found = [s for child in it.processes(service) for s in await it.services.samples(child, RETRIES)]
        met += any(sample.labels["kind"] == kind and sample.name.endswith("_total") for sample in found)
    return met >= services
