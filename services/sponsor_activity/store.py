"""The rows of sponsor_activity: one function for each query, inside the caller's transaction."""

from collections.abc import Mapping, Sequence

from services.runtime.database import Connection
from services.runtime.sql import load_queries
from services.sponsor_activity.domain import ACTIVITY_COLUMNS, Activity, Sponsorship

QUERIES = load_queries(__package__)


async def insert_activities(connection: Connection, activities: Sequence[Activity]) -> None:
    """Keep the activities; they are new, as the ledger says."""
    await connection.copy_records_to_table("sponsor_activities", records=activities, columns=ACTIVITY_COLUMNS)


async def insert_sponsorships(connection: Connection, sponsorships: Sequence[Sponsorship]) -> None:
    """Keep the sponsorships; they are new, as the ledger says."""
    await connection.copy_records_to_table("sponsorships", records=sponsorships, columns=Sponsorship._fields)


async def add_proposal_views(connection: Connection, views: Mapping[str, int], shard: int) -> None:
    """Add `views`, by proposal, to the counters of `shard`."""
    await connection.execute(QUERIES["add_proposal_views"], list(views), list(views.values()), shard)


async def write_total_views(connection: Connection, proposal_ids: Sequence[str]) -> None:
    """Bring `total_views` of the proposals that exist to what was counted; write only what differs."""
    await connection.execute(QUERIES["write_total_views"], proposal_ids)
