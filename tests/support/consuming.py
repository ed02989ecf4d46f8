"""Consuming in this process, as a service's process does it, from the test's own topics."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaProducer

from contracts.topics import SPONSOR_ACTIVITY
from services.runtime.consuming import Consuming
from services.runtime.database import Connection, connect_pool
from services.runtime.health import Pulse
from services.runtime.intake import Intake
from services.runtime.metrics import IntakeMetrics
from services.runtime.settings import Settings
from services.sponsor_activity.app import SponsorActivity
from tests.support.intakes import Outcomes, stored
from tests.support.records import event

SERVICE = "sponsor_activity"
DEADLINE = 60.0


def notes(sponsor: str, count: int, **data: Any) -> list[bytes]:
    return [event(SPONSOR_ACTIVITY, "note_added", sponsor_id=sponsor, **data) for _ in range(count)]


async def publish(settings: Settings, partition: int, values: Sequence[bytes]) -> None:
    name = SPONSOR_ACTIVITY.full_name(settings.topic_prefix)
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers) as producer:
        await asyncio.gather(*[await producer.send(name, value, partition=partition) for value in values])


@asynccontextmanager
async def consumer(settings: Settings) -> AsyncIterator[IntakeMetrics]:
    """Consume as a service's process does, then stop as it does."""
    async with consuming_process(settings) as (_, metrics):
        yield metrics


@asynccontextmanager
async def consuming_process(settings: Settings) -> AsyncIterator[tuple[asyncio.Task[None], IntakeMetrics]]:
    """The same, with the task that ends when the process would."""
    name = SPONSOR_ACTIVITY.full_name(settings.topic_prefix)
    pool = await connect_pool(settings, SERVICE)
    metrics = IntakeMetrics(SERVICE, name)
    intake = Intake(SPONSOR_ACTIVITY, SponsorActivity(), pool, settings, metrics, service=SERVICE)
    process = Consuming(SPONSOR_ACTIVITY, intake, SERVICE, pool, settings, metrics, Pulse(300))
    running = asyncio.create_task(process.run())
    try:
        yield running, metrics
    finally:
        await process.stop()
        running.cancel()
        await asyncio.wait([running])
        pool.terminate()


async def until_stored(connection: Connection, expected: Outcomes) -> None:
    """Look at the positions until they say so; at the deadline they must."""
    deadline = time.monotonic() + DEADLINE
    while (found := await stored(connection)) != expected and time.monotonic() < deadline:
        await connection.execute("SELECT pg_sleep(0.05)")
    assert found == expected, f"{found}, and not {expected}"
