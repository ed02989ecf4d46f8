"""All services on one database, without processes and Kafka: intake, projections, and the state that they reach."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import orjson
from pydantic import SecretStr

from contracts.topics import EMAIL_ENGAGEMENT, SPONSOR_ACTIVITY, TICKET_SALES
from services.email_engagement.app import EmailEngagement, EmailSubjects
from services.event_dashboards.app import Dashboards
from services.lead_scoring.app import LeadScores, take_turn
from services.lead_scoring.rules import load_rules
from services.operator.core_rows import load_core
from services.operator.state import IDENTITIES, QUERIES, _sorted
from services.runtime import positions
from services.runtime.database import Pool, connect_pool
from services.runtime.health import Pulse
from services.runtime.intake import Intake
from services.runtime.metrics import IntakeMetrics, ServiceMetrics
from services.runtime.projection import Projection, View
from services.runtime.records import RecordBatch
from services.runtime.settings import Settings
from services.sponsor_activity.app import ProposalViews, SponsorActivity
from services.ticket_sales.app import TicketSales
from tests.support.records import APPENDED

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
    async def on(cls, database_url: str, as_of: date, *, size: int = 1) -> "System":
        """Connect every service, with `size` connections at most."""
        made = Settings(kafka_bootstrap_servers="unused:9092", database_url=SecretStr(database_url), as_of=as_of)
        pools = {service: await connect_pool(made, service, size=size) for service in HANDLERS.keys() | VIEWS.keys()}
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
            await take_turn(connection, as_of, load_rules(), fixed=True)
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
        await self.drain()

    async def drain(self) -> None:
        """Let all projections work until none has anything left to do."""
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
