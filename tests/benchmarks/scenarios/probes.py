"""Probes: events that are watched from outside, from their publisher's hands to the derived event."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import LiteralString

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from contracts.topics import LEAD_SCORES
from services.operator.output import Failure
from services.runtime.kafka import client_options
from tests.benchmarks.lab import Database

STAGES = ("facts committed", "view committed", "derived event read")
LOOK = 0.01
"""Seconds between looks, besides what a look takes."""
PATIENCE = 30.0
"""Seconds that the last probe may take."""
SOURCE = "/probe"
"""Of all probes."""
LOOK_BY_KEY: LiteralString = "SET enable_seqscan TO off"
"""Nobody has counted the rows yet: a plan for an empty table would read it whole at each look, once it is large."""
_SEEN: LiteralString = """
    SELECT id AS sponsor, 0 AS stage
      FROM processed_events
     WHERE identity = ANY (ARRAY (SELECT event_identity($3, asked) FROM unnest($1::text[]) AS asked))
     UNION ALL
    SELECT sponsor_id::text, 1
      FROM sponsor_lead_scores
     WHERE sponsor_id = ANY ($2::uuid[])
"""
"""Which of the probes $1 are facts, and which of $2 are in the view. Not by joins: they would read whole tables."""


@dataclass(slots=True)
class Probe:
    """An event that is watched: when it was published, and when each stage was seen (seconds of one clock)."""

    published: float
    seen: list[float | None]


class Watch:
    """The probes under way."""

    def __init__(self) -> None:
        self.probes: dict[str, Probe] = {}
        self._under_way: set[str] = set()
        self._none = asyncio.Event()

    def published(self, sponsor: str) -> None:
        """Begin to watch."""
        self.probes[sponsor] = Probe(monotonic(), [None] * len(STAGES))
        self._under_way.add(sponsor)
        self._none.clear()

    def see(self, sponsor: str, stage: int) -> None:
        """Note that a stage has been reached, unless it was seen before."""
        if (probe := self.probes.get(sponsor)) and probe.seen[stage] is None:
            probe.seen[stage] = monotonic()
            if None not in probe.seen:
                self._under_way.discard(sponsor)
                if not self._under_way:
                    self._none.set()

    async def look(self, database: Database) -> None:
        """Look at Postgres, again and again, for as long as this is not cancelled."""
        while True:
            facts, view = (
                [sponsor for sponsor in self._under_way if self.probes[sponsor].seen[stage] is None] for stage in (0, 1)
            )
            if facts or view:
                for sponsor, stage in await database.connection.fetch(_SEEN, facts, view, SOURCE):
                    self.see(sponsor, stage)
            await asyncio.sleep(LOOK)

    async def read(self, consumer: AIOKafkaConsumer) -> None:
        """Read the derived events, for as long as this is not cancelled."""
        async for record in consumer:
            self.see(record.key.decode().split(":")[0], 2)

    async def finish(self) -> None:
        """Wait until all stages of all probes have been seen. Raises Failure when they are not."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._none.wait()
        except TimeoutError:
            raise Failure(f"{len(self._under_way)} events have not gone all the way in {PATIENCE:.0f} s") from None


@asynccontextmanager
async def clients(database: Database) -> AsyncIterator[tuple[AIOKafkaProducer, AIOKafkaConsumer]]:
    """A publisher that does not wait for more, and a reader of what is told from now on."""
    producer = AIOKafkaProducer(**client_options(database.settings), acks="all", linger_ms=0)
    consumer = AIOKafkaConsumer(
        LEAD_SCORES.full_name(database.settings.topic_prefix), **client_options(database.settings), group_id=None,
        isolation_level="read_committed", auto_offset_reset="earliest",
    )  # fmt: skip
    await producer.start()
    try:
        await consumer.start()
        try:
            yield producer, consumer
        finally:
            await consumer.stop()
    finally:
        await producer.stop()
