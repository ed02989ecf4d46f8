"""Whatever the order, repetition and batching in which records come, the whole state is the one that follows from them.

Through the real intake, projections and Postgres, beside a recomputation from the specification.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from random import Random
from typing import Any
from zlib import crc32

import orjson
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pydantic import SecretStr

from contracts.topics import EMAIL_ENGAGEMENT, SPONSOR_ACTIVITY, TICKET_SALES
from services.email_engagement.app import EmailEngagement, EmailSubjects
from services.event_dashboards.app import Dashboards
from services.lead_scoring.app import LeadScores, advance_as_of
from services.lead_scoring.rules import load_rules
from services.operator.core_rows import load_core
from services.operator.lines import read_record
from services.operator.state import IDENTITIES, QUERIES, _sorted
from services.runtime import positions
from services.runtime.database import Pool, connect_pool
from services.runtime.health import Pulse
from services.runtime.intake import Intake
from services.runtime.metrics import IntakeMetrics, ServiceMetrics
from services.runtime.projection import Projection, View
from services.runtime.records import Record, RecordBatch
from services.runtime.settings import Settings
from services.sponsor_activity.app import ProposalViews, SponsorActivity
from services.ticket_sales.app import TicketSales
from tests.support.comparing import require_agreement
from tests.support.records import APPENDED, record
from tests.support.season import _identity as identity_of
from tests.support.season import season, shuffled
from tests.support.truth import expected_state

PARTITIONS = 3
HANDLERS = {
    "sponsor_activity": (SPONSOR_ACTIVITY, SponsorActivity()),
    "email_engagement": (EMAIL_ENGAGEMENT, EmailEngagement()),
    "ticket_sales": (TICKET_SALES, TicketSales()),
}
VIEWS: dict[str, View] = {
    "sponsor_activity": ProposalViews(),
    "email_engagement": EmailSubjects(),
    "lead_scoring": LeadScores(load_rules()),
    "event_dashboards": Dashboards(lambda: APPENDED),
}


@dataclass(frozen=True)
class System:
    """All services on one database, without processes and Kafka."""

    settings: Settings
    owner: Pool
    pools: dict[str, Pool]

    @classmethod
    async def on(cls, database_url: str, as_of: date) -> "System":
        """Connect every service."""
        made = Settings(kafka_bootstrap_servers="unused:9092", database_url=SecretStr(database_url), as_of=as_of)
        pools = {service: await connect_pool(made, service, size=1) for service in HANDLERS.keys() | VIEWS.keys()}
        owner = await connect_pool(made, "operator", size=1, as_owner=True)
        return cls(made, owner, pools)

    async def close(self) -> None:
        """Let go of all connections."""
        for pool in (self.owner, *self.pools.values()):
            pool.terminate()

    async def begin(self, core: dict[str, Any], as_of: date) -> None:
        """Forget everything, and begin anew with these core rows on this day."""
        tables = await self.owner.fetchval(
            "SELECT string_agg(format('%I.%I', schemaname, tablename), ', ') FROM pg_tables"
            " WHERE schemaname IN ('public', 'streams', 'streams_g1', 'auth') AND tablename !~ '^_?yoyo|^control$'"
        )
        await self.owner.execute(f"TRUNCATE {tables} CASCADE; DELETE FROM control WHERE name = 'as_of'")  # noqa: S608
        async with self.pools["lead_scoring"].acquire() as connection:
            await advance_as_of(connection, as_of, fixed=True)
        async with self.owner.acquire() as connection:
            await load_core(connection, core)

    async def settle(self, batches: dict[str, list[list[RecordBatch]]]) -> None:
        """Take in the batches of each service, then bring all views up to date."""
        for service, (topic, handler) in HANDLERS.items():
            pool, metrics, name = self.pools[service], IntakeMetrics(service), topic.full_name("eventos.")
            async with pool.acquire() as connection:
                await positions.claim(connection, service, name, dict.fromkeys(range(PARTITIONS), 0))
            intake = Intake(topic, handler, pool, self.settings, metrics, service=service)
            for merged in batches[service]:
                assert await intake.process(merged) == set()
        projections = [
            Projection(view, service, self.pools[service], self.settings, ServiceMetrics(service), Pulse(60))
            for service, view in VIEWS.items()
        ]
        while any([await projection.sweep() for projection in projections]):
            pass

    async def state(self) -> dict[str, Any]:
        """The state in the form of expected.json; of what is told of leads, the last word on each."""
        async with self.owner.acquire() as connection:
            state: dict[str, Any] = {
                name: _sorted(name, await connection.fetch(QUERIES[f"state_{name}"])) for name in IDENTITIES
            }
            state["as_of"] = await connection.fetchval(QUERIES["state_as_of"])
            state["duplicates"] = await connection.fetchval(QUERIES["state_duplicates"])
            counts = await connection.fetch(
                "SELECT topic, sum(applied)::int AS applied, sum(duplicate)::int AS duplicate,"
                " sum(dead_lettered)::int AS dead_lettered FROM stream_offsets"
                " GROUP BY topic HAVING sum(next_offset) > 0"
            )
            rows = await connection.fetch(
                "SELECT aggregateid, payload FROM outbox WHERE aggregatetype = 'lead-scores' ORDER BY id"
            )
        names = "applied", "duplicate", "dead_lettered"
        state["outcomes"] = {row[0].split(".")[1]: {name: row[name] for name in names if row[name]} for row in counts}
        last = {row["aggregateid"]: orjson.loads(row["payload"] or b"null") for row in rows}
        told = filter(None, last.values())
        state["lead_score_events"] = sorted(told, key=lambda data: (data["sponsor_id"], data["event_id"]))
        return state


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
