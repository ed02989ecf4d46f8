"""Fault 1: kill -9 before, during and after anything, of every service. The state is as if nothing had happened."""

import os
from collections import Counter
from pathlib import Path
from random import SystemRandom

import pytest

from services.operator.standing import INTAKE_TOPICS
from services.runtime.settings import Settings
from tests.support.comparing import require_agreement
from tests.support.effects import difference
from tests.support.kills import Kills, kill_while_draining
from tests.support.reliability import Result, Tell
from tests.support.running import running
from tests.support.season import season
from tests.support.told import require_last_words, times_told_again
from tests.support.truth import expected_state

SERVICES_OF_TOPICS = {topic.name: service for service, topic in INTAKE_TOPICS.items()}


async def survive(
    settings: Settings, logs: Path, tell: Tell, *, count: int, times: int, batch_records: int, seed: int
) -> None:
    """Drain `count` records with two replicas of everything, killing each service `times` times."""
    made, kills = season(seed, count), Kills(seed, times)
    settings = settings.model_copy(
        update={"as_of": made.as_of, "batch_records": batch_records, "session_timeout": 10.0, "stop_timeout": 8.0}
    )
    published = Counter(SERVICES_OF_TOPICS[record["topic"]] for record in made.records)
    try:
        async with running(settings, logs, made.core, replicas=2, waiting=made.records) as services:
            await kill_while_draining(services, published, kills)
            await services.settle(patience=180)
            state, truth = await services.state(), expected_state(made.core, made.records, made.as_of)
            lost, doubled = difference(truth, state)
            killed, again = sum(map(len, kills.moments.values())), await times_told_again(services)
            tell(Result("every service killed with -9 while it drains", killed, count, lost, doubled, again, None))
            require_agreement(truth, state)
            await services.require_balance()
            await require_last_words(services, state)
    finally:
        print(kills.table())


@pytest.mark.proves(1)
@pytest.mark.timeout(600)
async def test_services_killed_a_few_times_while_they_drain_end_in_the_recomputed_state(
    settings: Settings, tmp_path: Path, tell: Tell
) -> None:
    await survive(settings, tmp_path, tell, count=10_000, times=2, batch_records=200, seed=2026)


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_services_killed_ten_times_each_while_they_drain_200_000_records_end_in_the_recomputed_state(
    settings: Settings, tmp_path: Path, tell: Tell
) -> None:
    seed = int(os.environ.get("EVENTOS_TEST_SEED", SystemRandom().randrange(10**6)))

    await survive(settings, tmp_path, tell, count=200_000, times=10, batch_records=1000, seed=seed)
