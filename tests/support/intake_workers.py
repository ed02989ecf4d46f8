"""Workers of intake and projection on one database, and what is stored held against the model of it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from services.runtime import positions
from services.runtime.database import Fault, Pool, classify
from services.runtime.health import Pulse
from services.runtime.intake import Intake
from services.runtime.metrics import IntakeMetrics, ServiceMetrics
from services.runtime.projection import Projection
from services.runtime.records import RecordBatch
from tests.support.intake_model import Model
from tests.support.interrupted import Interrupted, Interruption, Killed, Kind
from tests.support.season import AS_OF
from tests.support.truth import expected_signals, expected_state
from tests.support.whole_system import HANDLERS, VIEWS, System

FACTS = {
    "sponsor_activity": "sponsor_activities",
    "email_engagement": "email_events",
    "ticket_sales": "ticket_events",
}


@dataclass(frozen=True)
class Workers:
    """What workers do, each call one of them."""

    system: System

    def pool(self, service: str, interruption: Interruption | None) -> Interrupted:
        """The connections of a worker that meets an interruption."""
        return Interrupted(self.system.pools[service], self.system.owner, interruption)

    async def claim(self, service: str, partitions: Sequence[int], consumer: str | None = None) -> dict[int, int]:
        """Get partitions; return where they go on."""
        topic = HANDLERS[service][0].full_name("eventos.")
        async with self.system.pools[service].acquire() as connection:
            found = await positions.claim(connection, consumer or service, topic, dict.fromkeys(partitions, 0))
        return {partition: position.next_offset for partition, position in found.items()}

    async def process(self, pool: Interrupted, consumer: str, service: str, batches: Sequence[RecordBatch]) -> bool:
        """Settle batches; return whether the worker was killed at it."""
        topic, handler = HANDLERS[service]
        intake = Intake(
            topic, handler, cast(Pool, pool), self.system.settings, IntakeMetrics(service), service=service,
            consumer=consumer,
        )  # fmt: skip
        try:
            assert await intake.process(batches) == set()
        except Killed:
            return True
        return False

    async def revoke(
        self, service: str, batches: Sequence[RecordBatch], at: int, commits: bool
    ) -> tuple[bool, bool, dict[int, int]]:
        """Hold a batch at a statement while another worker claims its partitions; then let it go on, or give it up.

        Returns whether the claim had to wait for it (or came after it), whether it was settled, and what was claimed.
        """
        pool = self.pool(service, Interruption(Kind.HOLD, at))
        work = asyncio.ensure_future(self.process(pool, service, service, batches))
        reached = asyncio.ensure_future(pool.reached.wait())
        await asyncio.wait([work, reached], return_when=asyncio.FIRST_COMPLETED)
        reached.cancel()
        over = work.done() or pool.commits > 0
        claim = asyncio.ensure_future(self.claim(service, [batch.partition for batch in batches]))
        waited = await self._waits(claim)
        if commits:
            pool.go.set()
        else:
            work.cancel()
        await asyncio.wait([work])
        settled = not work.cancelled()
        if settled:
            work.result()
        return waited or over, settled or pool.commits > 0, await claim

    async def _waits(self, claim: asyncio.Task[Any]) -> bool:
        """Whether the claim waits for a lock; False once it is done."""
        async with asyncio.timeout(60):
            while not claim.done():
                if await self.system.owner.fetchval(
                    "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
                    " AND cardinality(pg_blocking_pids(pid)) > 0)"
                ):
                    return True
        return False

    async def project(self, view: str, interruption: Interruption | None = None) -> int:
        """Sweep once. A lost connection ends it here; a process would begin again."""
        projection = Projection(
            VIEWS[view], view, cast(Pool, self.pool(view, interruption)), self.system.settings,
            ServiceMetrics(view), Pulse(60),
        )  # fmt: skip
        try:
            return await projection.sweep()
        except Killed:
            return 0
        except Exception as error:
            if interruption is None or classify(error) is not Fault.TRANSIENT:
                raise
            return 0

    async def require_views(self, model: Model) -> None:
        """Raise AssertionError unless the views, once nothing is left to do, are those that follow from the records."""
        while any([await self.project(view) for view in VIEWS]):
            pass
        expected = expected_state(model.core, model.order, AS_OF)
        actual = await self.system.state()
        for section in expected.keys() - {"duplicates", "outcomes", "lead_score_events"}:
            assert actual[section] == expected[section], section
        told = {(data["sponsor_id"], data["event_id"]): data["score"] for data in actual["lead_score_events"]}
        assert told == {(row["sponsor_id"], row["event_id"]): row["score"] for row in expected["lead_scores"]}

    async def require_effects(self, model: Model) -> None:
        """Raise AssertionError unless outcomes, ledger, letters, signals and facts are the model's."""
        async with self.system.owner.acquire() as connection:
            stored = await connection.fetch(
                "SELECT service, replace(substr(topic, 9), '-', '_') AS topic, partition, next_offset, applied,"
                " duplicate, dead_lettered FROM stream_offsets WHERE next_offset > 0"
            )
            ledger = await connection.fetch(
                "SELECT source, id, service, partition, record_offset FROM processed_events"
            )
            letters = await connection.fetch("SELECT service, partition, record_offset, reason FROM dead_letters")
            forwarded = await connection.fetchval("SELECT count(*) FROM outbox WHERE aggregatetype = 'dead-letters'")
            signals = await connection.fetch(
                "SELECT sponsor_id::text, event_id::text, signal, day, n FROM lead_signals WHERE n <> 0"
            )
            facts = {name: await connection.fetchval(f"SELECT count(*) FROM {FACTS[name]}") for name in FACTS}  # noqa: S608
        assert sorted(tuple(row) for row in stored) == sorted(model.outcomes())
        assert {(row[0], row[1]): tuple(row)[2:] for row in ledger} == {
            identity: place for identity, (_, place) in model.applied.items()
        }
        assert {tuple(row)[:3]: row["reason"] for row in letters} == model.letters
        assert forwarded == len(letters) == len(model.letters)
        assert {tuple(row)[:4]: row["n"] for row in signals} == expected_signals(model.core, model.order, AS_OF)
        applied = [place[0] for _, place in model.applied.values()]
        assert facts == {name: applied.count(name) for name in FACTS}
