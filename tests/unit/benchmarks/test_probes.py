"""What is watched from outside: stages are seen once, and nothing that never came is taken for seen."""

import asyncio
from collections import Counter

import pytest

from services.operator.output import Failure
from tests.benchmarks.lab import Backlog
from tests.benchmarks.scenarios import latency, probes
from tests.benchmarks.scenarios.pace import mixed
from tests.benchmarks.scenarios.probes import Watch
from tests.benchmarks.workload import Workload


async def test_a_probe_is_done_when_every_stage_was_seen() -> None:
    watch = Watch()
    watch.published("a")
    for stage in range(3):
        watch.see("a", stage)
    watch.see("somebody else", 0)
    async with asyncio.timeout(5):
        await watch.finish()
    seen = [at for at in watch.probes["a"].seen if at is not None]
    assert len(seen) == 3
    assert seen == sorted(seen)


async def test_a_stage_counts_when_it_is_first_seen() -> None:
    watch = Watch()
    watch.published("a")
    watch.see("a", 0)
    first = list(watch.probes["a"].seen)
    watch.see("a", 0)
    assert watch.probes["a"].seen == first


async def test_a_probe_that_never_arrives_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "PATIENCE", 0.01)
    watch = Watch()
    watch.published("a")
    watch.see("a", 0)
    with pytest.raises(Failure, match="1 events have not gone all the way"):
        await watch.finish()


@pytest.mark.parametrize(("percent", "expected"), [(50, 50.0), (99, 99.0), (99.9, 100.0), (100, 100.0)])
def test_a_percentile_is_one_of_the_values(percent: float, expected: float) -> None:
    assert latency.percentile([float(value) for value in range(100, 0, -1)], percent) == expected


def test_the_load_beside_the_probes_is_mixed_as_the_usual_backlog() -> None:
    backlog = Backlog(Workload(sponsors=20, events=5), "x.", {})
    topics = Counter(topic for topic, _, _ in mixed(backlog, 1000))
    assert topics == {"x.sponsor-activity": 300, "x.email-engagement": 400, "x.ticket-sales": 300}
