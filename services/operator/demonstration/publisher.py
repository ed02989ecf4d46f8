"""The demonstration's publisher: loads the organisation once, then tells its season at a steady rate."""

import asyncio
from datetime import UTC, datetime

from services.operator.core_rows import load_core
from services.operator.demonstration.organisation import organisation
from services.operator.demonstration.season import Season
from services.operator.kafka_clients import producer
from services.operator.output import note
from services.operator.publish import send
from services.operator.surroundings import database
from services.runtime.settings import Settings
from services.runtime.sql import load_queries

QUERIES = load_queries("services.operator")

_BURST = 1500
"""Events told at once at the start, so that there is something to see."""


class Demonstration:
    """A publisher that behaves like a real season; `rate` is in events per second."""

    def __init__(self, seed: int, rate: float) -> None:
        now = datetime.now(UTC)
        self._organisation = organisation(seed, now)
        self._season = Season(self._organisation, seed, f"{now:%Y%m%d%H%M%S}")
        self._rate = rate

    async def load(self, settings: Settings) -> None:
        """Load the organisation's rows, unless an earlier run has."""
        async with database(settings, as_owner=True) as pool, pool.acquire() as connection:
            if await connection.fetchval(QUERIES["event_exists"], self._organisation.first_event):
                return
            counts = await load_core(connection, self._organisation.core)
            note("the demonstration's organisation: " + ", ".join(f"{n} {name}" for name, n in counts.items()))

    async def publish(self, settings: Settings) -> None:
        """Tell the season until cancelled. Raises KafkaError."""
        loop = asyncio.get_running_loop()
        async with producer(settings) as client:
            started = loop.time()
            told = -_BURST
            while True:
                due = int((loop.time() - started) * self._rate)
                sent = [
                    await send(client, self._season.tell(datetime.now(UTC)), settings.topic_prefix)
                    for _ in range(told, due)
                ]
                await asyncio.gather(*sent)
                told = max(told, due)
                await asyncio.sleep(0.1)
