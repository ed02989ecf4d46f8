"""Faults at random, three replicas of everything: `make chaos`. The seed of a run that fails becomes a test."""

import os
from pathlib import Path
from random import Random, SystemRandom

import pytest
from pydantic import SecretStr

from services.operator.topics import apply_topics
from services.runtime.settings import Settings
from tests.support.chaos import Chaos
from tests.support.own_servers import OwnKafka, OwnPostgres
from tests.support.proxy import proxy
from tests.support.reliability import Tell
from tests.support.stage import Stage

RATE = 40
PATIENCE = 300.0


async def survive(
    stage: Stage, kafka: OwnKafka, postgres: OwnPostgres, seed: int, seconds: float, replicas: int
) -> None:
    """Let chaos reign over replicas of everything; at the end all must be as if nothing had happened."""
    async with (
        proxy(postgres.url) as between,
        stage.scene(
            seed=seed, rate=RATE, records=round(RATE * (seconds + 2 * PATIENCE)), replicas=replicas,
            on={"EVENTOS_DATABASE_URL": between.url(postgres.url)}, watchdog_timeout=40.0,
        ) as it,
    ):  # fmt: skip
        await it.flowing(PATIENCE)
        chaos = Chaos(it, kafka, postgres, between, Random(seed))
        try:
            await chaos.reign(seconds)
            between.flow()
            recovery = await it.recovered(PATIENCE)
            told = ", ".join(f"{count} × {name.replace('_', ' ')}" for name, count in sorted(chaos.done.items()))
            it.exits = it.ended()
            assert not [service for service, code in it.exits if code == 0]
            print(await it.prove(f"seed {seed}, {seconds:.0f} s: {told}", chaos.done.total(), recovery))
        except BaseException:
            print(f"seed {seed}", *chaos.story, sep="\n")
            raise


@pytest.fixture
async def broken_stage(breakable_kafka: OwnKafka, breakable_postgres: OwnPostgres, tmp_path: Path, tell: Tell) -> Stage:
    """A stage of which everything may be broken."""
    settings = Settings(
        kafka_bootstrap_servers=breakable_kafka.bootstrap_servers, database_url=SecretStr(breakable_postgres.url)
    )
    await apply_topics(settings, replication_factor=1)
    return Stage(settings, tmp_path, tell)


@pytest.mark.long
@pytest.mark.timeout(2400)
async def test_chaos_leaves_no_trace(
    broken_stage: Stage, breakable_kafka: OwnKafka, breakable_postgres: OwnPostgres
) -> None:
    seed = int(os.environ.get("EVENTOS_TEST_SEED", SystemRandom().randrange(10**6)))
    seconds = float(os.environ.get("EVENTOS_TEST_SECONDS", "600"))
    replicas = int(os.environ.get("EVENTOS_TEST_REPLICAS", "3"))
    print(f"seed {seed}")

    await survive(broken_stage, breakable_kafka, breakable_postgres, seed=seed, seconds=seconds, replicas=replicas)
