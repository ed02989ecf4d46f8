"""Core rows of upstream systems, loaded from a file's form."""

from typing import Any
from uuid import uuid4

from pydantic import SecretStr

from services.operator.core_rows import load_core
from services.operator.surroundings import database
from services.runtime.settings import Settings

USER, EVENT, SPONSOR = str(uuid4()), str(uuid4()), str(uuid4())
SPARSE: dict[str, list[dict[str, Any]]] = {
    "events": [{"id": EVENT, "title": "Gala"}],
    "sponsors": [{"id": SPONSOR, "company_name": "Company", "industry": "food"}],
    "proposals": [{"id": str(uuid4()), "event_id": EVENT, "sponsor_id": SPONSOR}],
    "campaigns": [{"id": str(uuid4()), "event_id": EVENT, "name": "Spring"}],
    "templates": [{"id": str(uuid4()), "subject": "Hello", "template_type": "invitation"}],
    "sequences": [{"id": str(uuid4()), "sponsor_id": SPONSOR, "sequence_type": "renewal"}],
}
NULLS = {
    "events": ["organizer_id", "industry", "values", "currency", "status", "capacity", "embedding"],
    "sponsors": ["industries_of_interest", "values", "currency", "total_sponsorships", "max_budget", "embedding"],
    "proposals": ["proposed_amount", "currency", "content", "status", "created_at"],
    "campaigns": ["channels", "content", "status"],
    "templates": ["campaign_id", "event_id", "body", "status"],
    "sequences": ["proposal_id", "status", "emails"],
}


async def test_a_member_that_is_null_is_as_one_that_is_absent(database_url: str) -> None:
    core = {name: [{**row, **dict.fromkeys(NULLS[name])} for row in rows] for name, rows in SPARSE.items()}
    settings = Settings(kafka_bootstrap_servers="unused:9092", database_url=SecretStr(database_url))

    async with database(settings, as_owner=True) as pool, pool.acquire() as connection:
        loaded = await load_core(connection, {"users": None, **core})
        event = await connection.fetchrow('SELECT "values", currency, status, capacity FROM events')
        sponsor = await connection.fetchrow("SELECT industries_of_interest, currency, total_sponsorships FROM sponsors")

    assert loaded == {"users": 0, **dict.fromkeys(core, 1)}
    assert event is not None
    assert tuple(event) == ([], "USD", "draft", None)
    assert sponsor is not None
    assert tuple(sponsor) == ([], None, 0), "a sponsor may have no currency"
