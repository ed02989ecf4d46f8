"""Every example file, fed to the service that consumes its topic: applied, or refused for its reason."""

from collections import Counter
from datetime import UTC, datetime

import pytest
from aiokafka import ConsumerRecord

from contracts import examples
from services.email_engagement.app import EmailEngagement
from services.runtime.database import Connection
from services.runtime.intake import Handler
from services.runtime.records import RecordBatch
from services.sponsor_activity.app import SponsorActivity
from services.ticket_sales.app import TicketSales
from tests.support.intakes import bench

APPENDED = int(datetime(2026, 12, 1, tzinfo=UTC).timestamp() * 1000)
HANDLERS: dict[str, type[Handler]] = {
    "sponsor_activity": SponsorActivity,
    "email_engagement": EmailEngagement,
    "ticket_sales": TicketSales,
}


@pytest.mark.parametrize("service", HANDLERS)
async def test_examples_end_in_their_service_as_they_say(
    connection: Connection, database_url: str, service: str
) -> None:
    await connection.execute(
        "INSERT INTO sponsors (id, company_name, industry) VALUES ($1, 'Company', 'food')", examples.SPONSOR_ID
    )
    await connection.execute("INSERT INTO events (id, title) VALUES ($1, 'Gala')", examples.EVENT_ID)
    own = [example for example in examples.load() if example.topic.consumers == (service,)]
    topic = own[0].topic
    records = [
        ConsumerRecord(
            topic.full_name("eventos."), 0, offset, APPENDED, 1, it.key, it.value, None, 0, 0, tuple(it.headers)
        )
        for offset, it in enumerate(own)
    ]

    async with bench(database_url, HANDLERS[service](), service=service, topic=topic) as consumer:
        await consumer.process(RecordBatch(0, records, 0))

    valid = [example for example in own if example.reason is None]
    rows = await connection.fetch("SELECT reason, count(*) AS n FROM dead_letters GROUP BY reason")
    assert {row["reason"]: row["n"] for row in rows} == Counter(it.reason for it in own if it.reason is not None)
    assert await connection.fetchval("SELECT sum(applied) FROM stream_offsets") == len(valid) > 0
