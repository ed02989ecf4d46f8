"""Events of publishers who know nothing of this project's code are applied."""

import asyncio
import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cloudevents.core.bindings import kafka
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from contracts.topics import TICKET_SALES
from services.runtime.settings import Settings
from tests.support.running import Running, running

pytestmark = pytest.mark.timeout(300)

SERVICES = ("ticket_sales", "event_dashboards", "lead_scoring", "outbox_relay")
KAFKA_TOOL = Path(__file__).parents[2] / "infra/local/kafka-tool"
EVENT_ID, ORGANISER = str(uuid4()), str(uuid4())
CORE = {"users": [ORGANISER], "events": [{"id": EVENT_ID, "organizer_id": ORGANISER, "title": "Gala", "capacity": 2}]}
ORDER = {"event_id": EVENT_ID, "quantity": 1, "amount": "20.00", "currency": "USD", "ticket_type": "vip"}


def ordered(order_id: str) -> CloudEvent:
    attributes: dict[str, Any] = {
        "id": f"sdk-{order_id}",
        "source": "https://example.org/box office",
        "type": "eventos.ticketing.order_completed.v1",
        "time": datetime.now(UTC) - timedelta(minutes=1),
        "datacontenttype": "application/json",
        "partitionkey": EVENT_ID,
    }
    return CloudEvent(attributes, {**ORDER, "order_id": order_id})


async def publish_with_the_sdk(services: Running) -> None:
    for order_id, to_message in (("structured", kafka.to_structured), ("binary", kafka.to_binary)):
        message = to_message(ordered(order_id), JSONFormat())
        await services.producer.send_and_wait(
            TICKET_SALES.full_name(services.settings.topic_prefix),
            message.value,
            key=message.key.encode() if isinstance(message.key, str) else message.key,
            headers=list(message.headers.items()),
        )


def publish_with_kafkas_console_producer(settings: Settings) -> None:
    view = {
        "specversion": "1.0", "id": "console-1", "source": "/console", "type": "eventos.ticketing.page_viewed.v1",
        "time": datetime.now(UTC).isoformat(), "data": {"event_id": EVENT_ID, "session_id": "s-1"},
    }  # fmt: skip
    subprocess.run(
        [
            *(KAFKA_TOOL, "console-producer", "--topic", TICKET_SALES.full_name(settings.topic_prefix)),
            *("--reader-property", "parse.key=true", "--reader-property", "key.separator=|"),
        ],
        input=f"{EVENT_ID}|{json.dumps(view)}\n".encode(),
        env={**os.environ, "EVENTOS_KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers},
        check=True,
    )


async def test_events_of_the_cloudevents_sdk_and_of_kafkas_console_producer_are_applied(
    settings: Settings, tmp_path: Path
) -> None:
    async with running(settings, tmp_path, CORE, services=SERVICES) as services:
        await publish_with_the_sdk(services)
        await asyncio.to_thread(publish_with_kafkas_console_producer, settings)
        await services.settle()

        [dashboard] = (await services.state())["dashboards"]
        assert dashboard["funnel_metrics"] == {"views": 1, "checkouts": 0, "orders": 2, "tickets": 2, "checked_in": 0}
        assert dashboard["total_revenue"] == "40.00"
        assert sum(applied for applied, _, _ in (await services.balance_in_database()).values()) == 3
