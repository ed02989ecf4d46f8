"""Rows that upstream systems own, inserted as they would."""

from uuid import uuid4

from services.runtime.database import Connection


async def add_event(connection: Connection, *, currency: str = "USD", capacity: int | None = None) -> str:
    """Insert an event and its organiser; return the event's id."""
    event_id = str(uuid4())
    await connection.execute(
        "WITH organiser AS (INSERT INTO auth.users (id) VALUES (gen_random_uuid()) RETURNING id)"
        " INSERT INTO events (id, organizer_id, title, event_type, currency, capacity)"
        " SELECT $1, id, 'Gala', 'gala', $2, $3 FROM organiser",
        event_id,
        currency,
        capacity,
    )
    return event_id


async def add_sponsor(connection: Connection) -> str:
    """Insert a sponsor; return its id."""
    sponsor_id = str(uuid4())
    await connection.execute(
        "INSERT INTO sponsors (id, company_name, industry) VALUES ($1, 'Company', 'food')", sponsor_id
    )
    return sponsor_id


async def add_proposal(connection: Connection, sponsor_id: str, event_id: str, proposal_id: str | None = None) -> str:
    """Insert a proposal, with an id that was known before if one is given; return its id."""
    proposal_id = proposal_id or str(uuid4())
    await connection.execute(
        "INSERT INTO sponsor_proposals (id, sponsor_id, event_id) VALUES ($1, $2, $3)",
        proposal_id,
        sponsor_id,
        event_id,
    )
    return proposal_id
