"""Whatever the order, repetition and batching in which records come, the whole state is the one that follows from them.

Through the real intake, projections and Postgres, beside a recomputation from the specification.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Sequence
from random import Random
from typing import Any
from zlib import crc32

from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from services.operator.lines import read_record
from services.runtime.records import Record, RecordBatch
from tests.support.comparing import require_agreement
from tests.support.records import record
from tests.support.season import _identity as identity_of
from tests.support.season import season, shuffled
from tests.support.truth import expected_state
from tests.support.whole_system import HANDLERS, PARTITIONS, System


def batched(arrived: Sequence[dict[str, Any]], rng: Random) -> dict[str, list[list[RecordBatch]]]:
    """Lay the records out over partitions, equal identities on one, and cut them into merged batches of any size."""
    services = {topic.name: service for service, (topic, _) in HANDLERS.items()}
    logs: dict[tuple[str, int], list[Record]] = defaultdict(list)
    merged: dict[str, list[dict[int, list[Record]]]] = {service: [{}] for service in HANDLERS}
    for place, line in enumerate(arrived):
        made = read_record(json.dumps(line).encode())
        service, partition = services[made.topic.name], crc32(repr(identity_of(line, place)).encode()) % PARTITIONS
        log = logs[service, partition]
        log.append(
            record(
                made.value, topic=made.topic, partition=partition, offset=len(log), key=made.key, headers=made.headers
            )
        )
        if rng.random() < 0.1:
            merged[service].append({})
        merged[service][-1].setdefault(partition, []).append(log[-1])
    return {
        service: [[RecordBatch(p, part, part[0].offset) for p, part in parts.items()] for parts in cuts if parts]
        for service, cuts in merged.items()
    }


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[Any, list[dict[str, Any]], int]:
    """A season, its records as they arrive (some again, in any order that keeps equal identities in theirs)."""
    made = season(draw(st.integers(0, 10_000)), draw(st.integers(1, 150)))
    again = draw(st.lists(st.sampled_from(made.records), max_size=20))
    return made, shuffled([*made.records, *again], draw(st.integers(0, 10_000))), draw(st.integers(0, 10_000))


def test_any_order_repetition_and_batching_leads_to_the_state_that_follows_from_the_records(database_url: str) -> None:
    as_of = season(0, 1).as_of
    with asyncio.Runner() as runner:
        system = runner.run(System.on(database_url, as_of))

        async def outcome(core: dict[str, Any], arrived: list[dict[str, Any]], cuts: int) -> dict[str, Any]:
            await system.begin(core, as_of)
            await system.settle(batched(arrived, Random(cuts)))
            return await system.state()

        # Seasons grow from a seed: shrinking would take minutes and make nothing plainer.
        phases = [Phase.explicit, Phase.reuse, Phase.generate]

        @examples(max_examples=25, deadline=None, phases=phases, suppress_health_check=list(HealthCheck))
        @given(arrivals())
        def same(given: tuple[Any, list[dict[str, Any]], int]) -> None:
            made, arrived, cuts = given
            expected, actual = expected_state(made.core, arrived, as_of), runner.run(outcome(made.core, arrived, cuts))
            require_agreement(expected, actual)
            assert actual["outcomes"] == expected["outcomes"]

        try:
            same()
        finally:
            runner.run(system.close())
