"""Whatever workers of intake and projection meet, in whatever order, each event has taken effect exactly once.

A state machine on the real Postgres: records are published, again, by two workers claimed and delivered, at any
statement a worker is killed, cut off or frozen while another takes over, zombies deliver what they still have, replays
begin anew. Beside it goes a model that is a dict of the events applied once.
"""

import asyncio
import json
from collections.abc import Coroutine, Iterator, Sequence
from functools import partial
from random import Random
from typing import Any, TypeVar, cast

import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as examples
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from services.operator.lines import read_record
from services.runtime.intake import SkippedRecordsError
from services.runtime.records import RecordBatch
from tests.support.intake_model import Log, Model, Published
from tests.support.intake_workers import Workers
from tests.support.interrupted import Interruption, Kind
from tests.support.records import record
from tests.support.season import AS_OF, season
from tests.support.whole_system import HANDLERS, PARTITIONS, VIEWS, System

T = TypeVar("T")
WORKERS = (0, 1)

services = st.sampled_from(list(HANDLERS))
counts = st.lists(st.integers(0, 8), min_size=PARTITIONS, max_size=PARTITIONS).filter(any)
seeds = st.integers(0, 10_000)
interruptions = st.none() | st.builds(
    Interruption, st.sampled_from([Kind.KILL, Kind.CUT]), st.integers(0, 16), st.booleans()
)


class IntakeMachine(RuleBasedStateMachine):
    """Two workers of every service, their broker, and the model of what they must have done."""

    def __init__(self, runner: asyncio.Runner, system: System) -> None:
        super().__init__()
        self._runner, self._system, self._workers = runner, system, Workers(system)
        self._cursors: dict[int, dict[Log, int]] = {worker: {} for worker in WORKERS}
        self._replays = 0
        self._holds = True

    def _run(self, act: Coroutine[Any, Any, T]) -> T:
        self._holds = False
        done = self._runner.run(act)
        self._holds = True
        return done

    @initialize(seed=seeds)
    def begin(self, seed: int) -> None:
        made = season(seed, 150)
        self._arrivals: Iterator[dict[str, Any]] = iter(made.records)
        logs: dict[Log, list[Published]] = {(name, p): [] for name in HANDLERS for p in range(PARTITIONS)}
        self._model = Model(made.core, logs)
        self._run(self._system.begin(made.core, AS_OF))
        self.publish(60, seed)

    @rule(count=st.integers(1, 20), seed=seeds)
    def publish(self, count: int, seed: int) -> None:
        """New records, on any partition: what makes two of them one event may be on two."""
        rng = Random(seed)
        for line in [line for _, line in zip(range(count), self._arrivals, strict=False)]:
            self._append(line, rng.randrange(PARTITIONS))

    @rule(seed=seeds, count=st.integers(1, 5))
    def publish_again(self, seed: int, count: int) -> None:
        """Records that the broker has already, on any partition."""
        rng = Random(seed)
        known = [published.line for log in self._model.logs.values() for published in log]
        for line in rng.choices(known, k=count):
            self._append(line, rng.randrange(PARTITIONS))

    @rule(worker=st.sampled_from(WORKERS), service=services, partitions=st.sets(st.integers(0, PARTITIONS - 1)))
    def claim(self, worker: int, service: str, partitions: set[int]) -> None:
        """A worker gets partitions; whoever had them does not know it yet, and delivers what it has as a zombie."""
        claimed = self._run(self._workers.claim(service, sorted(partitions)))
        for partition, offset in claimed.items():
            assert offset == self._model.position(service, (service, partition))
            self._cursors[worker][service, partition] = offset

    @rule(worker=st.sampled_from(WORKERS), service=services, counts=counts, interruption=interruptions)
    def deliver(self, worker: int, service: str, counts: list[int], interruption: Interruption | None) -> None:
        """A worker settles what follows where it believes itself to be; at some statement it may meet something."""
        batches = self._batches(worker, service, counts)
        pool = self._workers.pool(service, interruption)
        killed = self._run(self._workers.process(pool, service, service, batches))
        self._delivered(worker, service, batches, killed=killed, settled=pool.commits > 0 if killed else True)

    @rule(service=services, partition=st.integers(0, PARTITIONS - 1), gap=st.integers(1, 3))
    def deliver_with_a_gap(self, service: str, partition: int, gap: int) -> None:
        """A batch whose predecessor was never settled is refused, whole."""
        log, position = (service, partition), self._model.position(service, (service, partition))
        beyond = [published.record for published in self._model.logs[log][position + gap :]]
        if beyond:
            batches = [RecordBatch(partition, beyond, position + gap)]
            with pytest.raises(SkippedRecordsError):
                self._run(self._workers.process(self._workers.pool(service, None), service, service, batches))
            self._holds = True

    @rule(
        worker=st.sampled_from(WORKERS), service=services, counts=counts, at=st.integers(0, 12),
        commits=st.booleans(),
    )  # fmt: skip
    def revoke(self, worker: int, service: str, counts: list[int], at: int, commits: bool) -> None:
        """A worker loses its partitions to the other while it works on them, and goes on or gives up.

        The other waits for the transaction in flight, if that has come to the fence, and reads what it left.
        """
        batches = self._batches(worker, service, counts)
        partitions = [batch.partition for batch in batches]
        logs = [(service, partition) for partition in partitions]
        before = {p: self._model.position(service, log) for p, log in zip(partitions, logs, strict=True)}
        waited, settled, claimed = self._run(self._workers.revoke(service, batches, at, commits))
        self._delivered(worker, service, batches, killed=False, settled=settled)
        after = {p: self._model.position(service, log) for p, log in zip(partitions, logs, strict=True)}
        assert claimed == (after if waited else before)
        self._cursors[1 - worker].update({(service, p): offset for p, offset in claimed.items()})

    @rule(service=services, share=st.floats(0.1, 1), size=st.integers(1, 30), interruption=interruptions)
    def replay(self, service: str, share: float, size: int, interruption: Interruption | None) -> None:
        """All that the broker has, or the beginning of it, again, by a consumer of its own that may be ahead."""
        self._replays += 1
        consumer = f"replay:{self._replays}"
        self._run(self._workers.claim(service, range(PARTITIONS), consumer))
        for partition in range(PARTITIONS):
            log = (service, partition)
            records = [published.record for published in self._model.logs[log]]
            records = records[: int(len(records) * share)]
            for start in range(0, len(records), size):
                batch = RecordBatch(partition, records[start : start + size], start)
                pool = self._workers.pool(service, interruption)
                killed = self._run(self._workers.process(pool, consumer, service, [batch]))
                if not killed or pool.commits:
                    self._model.settle(consumer, log, start + len(batch.records))
                if killed:
                    return

    @rule(view=st.sampled_from(list(VIEWS)), interruption=interruptions)
    def project(self, view: str, interruption: Interruption | None) -> None:
        """A projection takes what is stale, and may be killed or cut off at it."""
        self._run(self._workers.project(view, interruption))

    @rule()
    def drain(self) -> None:
        """Once every projection has nothing left to do, the views are those that follow from the records."""
        self._run(self._workers.require_views(self._model))

    @invariant()
    def every_record_has_one_outcome_and_every_event_one_effect(self) -> None:
        self._run(self._workers.require_effects(self._model))

    def teardown(self) -> None:
        """End every run with the views, unless it has failed already."""
        if self._holds:
            self._run(self._workers.require_views(self._model))

    def _append(self, line: dict[str, Any], partition: int) -> None:
        made = read_record(json.dumps(line).encode())
        service = next(name for name, (topic, _) in HANDLERS.items() if topic is made.topic)
        log = self._model.logs[service, partition]
        log.append(
            Published(
                record(
                    made.value, topic=made.topic, partition=partition, offset=len(log), key=made.key,
                    headers=made.headers,
                ),
                line,
            )
        )  # fmt: skip

    def _batches(self, worker: int, service: str, counts: Sequence[int]) -> list[RecordBatch]:
        """What a worker has next; partitions that it never got are claimed, as at its start."""
        wanted = [partition for partition, count in enumerate(counts) if count]
        if new := [partition for partition in wanted if (service, partition) not in self._cursors[worker]]:
            self.claim(worker, service, set(new))
        batches = []
        for partition in wanted:
            start = self._cursors[worker][service, partition]
            log = self._model.logs[service, partition][start : start + counts[partition]]
            batches.append(RecordBatch(partition, [published.record for published in log], start))
        return [batch for batch in batches if batch.records]

    def _delivered(
        self, worker: int, service: str, batches: Sequence[RecordBatch], *, killed: bool, settled: bool
    ) -> None:
        for batch in batches if settled else ():
            log, end = (service, batch.partition), batch.follows + len(batch.records)
            self._model.settle(service, log, end)
            self._cursors[worker][log] = end
        if killed:
            self._cursors[worker].clear()


def run_machine(database_url: str, *, max_examples: int, steps: int) -> None:
    # What fails is long to shrink and plain to read: the steps are printed.
    chosen = examples(
        max_examples=max_examples, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.reuse, Phase.generate], print_blob=True,
    )  # fmt: skip
    with asyncio.Runner() as runner:
        system = runner.run(System.on(database_url, AS_OF, size=2))
        try:
            made = cast(type[RuleBasedStateMachine], partial(IntakeMachine, runner, system))
            run_state_machine_as_test(made, settings=chosen)
        finally:
            runner.run(system.close())


def test_whatever_workers_meet_each_event_takes_effect_once_and_views_follow(database_url: str) -> None:
    run_machine(database_url, max_examples=20, steps=25)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_whatever_workers_meet_in_a_long_life_each_event_takes_effect_once(database_url: str) -> None:
    run_machine(database_url, max_examples=300, steps=80)
