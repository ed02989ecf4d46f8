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


async def add_sponsor(connection: Connection, sponsor_id: str | None = None) -> str:
    """Insert a sponsor, with an id that was known before if one is given; return its id."""
    sponsor_id = sponsor_id or str(uuid4())
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


async def add_campaign(connection: Connection, event_id: str, campaign_id: str | None = None) -> str:
    """Insert a campaign, with an id that was known before if one is given; return its id."""
    campaign_id = campaign_id or str(uuid4())
    await connection.execute(
        "INSERT INTO marketing_campaigns (id, event_id, name) VALUES ($1, $2, 'Campaign')", campaign_id, event_id
    )
    return campaign_id


async def add_template(connection: Connection, template_id: str | None = None) -> str:
    """Insert a template, with an id that was known before if one is given; return its id."""
    template_id = template_id or str(uuid4())
    await connection.execute(
        "INSERT INTO email_templates (id, template_type, subject) VALUES ($1, 'invitation', 'Hello')", template_id
    )
    return template_id


async def add_sequence(
    connection: Connection, sponsor_id: str, sequence_id: str | None = None, *, status: str = "active"
) -> str:
    """Insert a sequence, with an id that was known before if one is given; return its id."""
    sequence_id = sequence_id or str(uuid4())
    await connection.execute(
        "INSERT INTO follow_up_sequences (id, sponsor_id, sequence_type, status) VALUES ($1, $2, 'post_proposal', $3)",
        sequence_id,
        sponsor_id,
        status,
    )
    return sequence_id
