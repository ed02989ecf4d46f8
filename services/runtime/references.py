"""References: the sponsors and events that facts name, which must be there until what names them is committed."""

from collections.abc import Set

from services.runtime.database import Connection
from services.runtime.sql import load_queries

queries = load_queries(__package__)


async def lock_references(connection: Connection, sponsor_ids: Set[str], event_ids: Set[str]) -> set[tuple[str, str]]:
    """Keep these sponsors and events from being deleted until the transaction ends.

    Returns those that are not there, as ("sponsor" or "event", id).
    """
    if not sponsor_ids and not event_ids:
        return set()
    rows = await connection.fetch(queries["lock_references"], sorted(sponsor_ids), sorted(event_ids))
    if len(rows) == len(sponsor_ids) + len(event_ids):
        return set()
    wanted = {("sponsor", id_) for id_ in sponsor_ids} | {("event", id_) for id_ in event_ids}
    return wanted - {(kind, id_) for kind, id_ in rows}
