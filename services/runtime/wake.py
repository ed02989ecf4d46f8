"""Waking those who wait for marks or outbox rows: NOTIFY after the commit, with a poll behind it."""

from collections.abc import Collection

import structlog

from services.runtime.database import Connection, Fault, classify
from services.runtime.sql import load_queries

log = structlog.get_logger(__name__)
queries = load_queries(__package__)

OUTBOX_CHANNEL = "eventos_outbox"


def marks_channel(projection: str) -> str:
    """The channel on which a projection hears of its marks."""
    return f"eventos_marks_{projection}"


async def wake(connection: Connection, projections: Collection[str], *, outbox: bool) -> None:
    """Tell the waiting. Outside the transaction, for NOTIFY inside it would put all commits in one line.

    A notice may be lost, with the connection: the effects are committed, and the poll finds them.
    """
    channels = [marks_channel(projection) for projection in projections] + [OUTBOX_CHANNEL] * outbox
    if not channels:
        return
    try:
        await connection.execute(queries["notify"], channels)
    except Exception as error:
        if classify(error) is not Fault.TRANSIENT:
            raise
        log.info("notice_lost", error=type(error).__name__)
