"""Whole processes on real Kafka and Postgres lead to the state that the specification gives."""

from pathlib import Path

import pytest

from services.runtime.settings import Settings
from tests.support.comparing import conformance_set, require_agreement
from tests.support.running import running
from tests.support.season import season, shuffled
from tests.support.truth import expected_state

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize(
    ("name", "order", "batch_records", "replicas"),
    [("small", None, 1, 1), ("small", 11, 7, 2), ("mixed", 12, 4000, 3)],
)
async def test_the_state_is_the_same_in_any_order_and_batching_and_with_any_number_of_replicas(
    settings: Settings, tmp_path: Path, name: str, order: int | None, batch_records: int, replicas: int
) -> None:
    core, records, expected, as_of = conformance_set(name)
    settings = settings.model_copy(update={"as_of": as_of, "batch_records": batch_records})

    async with running(settings, tmp_path, core, replicas=replicas) as services:
        await services.publish(records if order is None else shuffled(records, order))
        await services.settle()

        require_agreement(expected, await services.state())
        await services.require_balance()


async def test_a_made_up_season_leads_to_the_recomputed_state(settings: Settings, tmp_path: Path) -> None:
    made = season(4711, 15_000)
    settings = settings.model_copy(update={"as_of": made.as_of})

    async with running(settings, tmp_path, made.core, replicas=2) as services:
        await services.publish(made.records)
        await services.settle()

        require_agreement(expected_state(made.core, made.records, made.as_of), await services.state())
        await services.require_balance()
