"""Consuming: the Faust app of an intake service, from assignment to graceful stop."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

import faust
import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from faust.auth import Credentials, SASLCredentials, SSLCredentials
from faust.types import TP

from contracts.topics import Topic
from services.runtime import positions
from services.runtime.database import Connection, Fault, Pool, acquire, classify, patiently, transaction
from services.runtime.health import Pulse
from services.runtime.intake import Intake, SkippedRecordsError
from services.runtime.kafka import sasl_password, tls_context
from services.runtime.lanes import Lanes
from services.runtime.logs import name_of
from services.runtime.metrics import IntakeMetrics
from services.runtime.positions import Position
from services.runtime.record_batches import BatchApp, BatchScheduler, Claimed, Consumer
from services.runtime.records import RecordBatch
from services.runtime.settings import Settings
from services.runtime.sql import load_queries

log = structlog.get_logger(__name__)
queries = load_queries(__package__)

HINT_INTERVAL = 5.0
"""Seconds between commits of the positions to Kafka, where lag tools look; nothing here ever reads them."""
LOOK_INTERVAL = 5.0
"""Seconds between looks whether positions are still what they were: an operator may have resumed a stopped partition, a
failover may have lost the last commits."""
AGAIN_AFTER = (0.0, 1.0, 2.0)
"""Seconds after which a partition's end is asked for again that lies before its position."""

GOODBYE = 3.0
"""Seconds to tell the broker that we leave, when the work is done."""
HEARTBEATS = 2
"""Heartbeats that a rebalance is waited for, then: who leaves in its middle is taken for a member until its session is
over, and its partitions are consumed by nobody."""


class StalledError(Exception):
    """There are records, but none arrive: the consumer is beyond recovery, and a new process must take over."""


class Consuming:
    """One process's share of a topic."""

    def __init__(
        self, topic: Topic, intake: Intake, service: str, pool: Pool, settings: Settings, metrics: IntakeMetrics,
        pulse: Pulse,
    ) -> None:  # fmt: skip
        self._intake, self._service, self._pool, self._settings = intake, service, pool, settings
        self._metrics, self._pulse = metrics, pulse
        self._topic = topic.full_name(settings.topic_prefix)
        self._lanes = Lanes(settings.lanes, settings.batch_records, self._work)
        self._last_progress = time.monotonic()
        self.app = self._build_app()

    def _build_app(self) -> BatchApp:
        settings = self._settings
        app = BatchApp(
            settings.consumer_group(self._service),
            broker=[f"kafka://{server.strip()}" for server in settings.kafka_bootstrap_servers.split(",")],
            broker_credentials=_credentials(settings),
            broker_max_poll_records=settings.batch_records,
            broker_session_timeout=settings.session_timeout,
            broker_heartbeat_interval=_heartbeat_interval(settings),
            broker_request_timeout=max(90.0, settings.session_timeout + 10),
            # An offset that is not there is for the claim to deal with; moved by aiokafka, records would go in silence.
            consumer_auto_offset_reset="none",
            ConsumerScheduler=BatchScheduler,
            stream_buffer_maxsize=12,  # batches: enough that lanes seldom wait for the thread that fetches
            stream_wait_empty=True,
            topic_disable_leader=True,
            topic_allow_declare=False,
            store="memory://",
            web_enabled=False,
            env_prefix="EVENTOS_FAUST_",
        )
        app.claim, app.claim_timeout, app.postpone = self._claim, settings.claim_timeout, self._postpone
        app.drain, app.stopped = self._drain, set()
        topic = app.topic(self._topic, key_type=bytes, value_type=bytes, value_serializer="raw", acks=False)

        @app.agent(topic, name=f"{self._service}_intake")
        async def intake(stream: faust.StreamT[Any]) -> None:
            async for event in stream.events():
                self._last_progress = time.monotonic()
                await self._lanes.put(await self._intake.decode(event.message.value))

        return app

    async def run(self) -> None:
        """Consume until cancelled or stopped. Raises what must end the process."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._lanes.run())
            group.create_task(self._watch())
            group.create_task(self._mirror_positions())
            group.create_task(self._follow_positions())
            await self.app.start()

    async def stop(self) -> None:
        """Leave the group once the batches in flight are committed, or `stop_timeout` is over.

        A broker that does not answer is not waited for: the group finds out by itself. Nor does it answer who asks to
        join while others are to join as well.
        """
        work = self._settings.stop_timeout if self._lanes.busy else 0.0
        # The others of the group have to hear of a rebalance, to join as well.
        joining = HEARTBEATS * _heartbeat_interval(self._settings) if self.app.rebalancing else 0.0
        with suppress(TimeoutError):
            async with asyncio.timeout(max(work, joining) + GOODBYE):
                await self.app.stop()

    async def _work(self, batches: Sequence[RecordBatch]) -> None:
        try:
            stopped = await self._intake.process(batches)
        except SkippedRecordsError as skipped:
            log.error("records_skipped", error=str(skipped))
            await self.app.restart_at_positions()
            return
        self._last_progress = time.monotonic()
        if stopped:
            log.error("partitions_stopped", topic=self._topic, partitions=sorted(stopped))
            self.app.pause(stopped)

    async def _drain(self) -> None:
        await self._lanes.drain(self._settings.stop_timeout)
        await self._mirror_once()
        self._metrics.released()

    async def _claim(self, earliest: Mapping[int, int], ends: Mapping[int, int]) -> Mapping[int, Claimed]:
        """Read the positions; deal with records that are gone, and with topics that were made anew.

        The positions in one transaction: what is in hand of these partitions waits, and is settled before or found to
        be past.
        """
        async with acquire(self._pool) as connection, transaction(connection):
            claimed = await positions.claim(connection, self._service, self._topic, earliest)
            found = dict(claimed)
            for partition, position in claimed.items():
                if position.stopped_reason is None:
                    found[partition] = await self._pass_gap(connection, position, earliest[partition])
        found |= await self._stop_beyond(found, ends)
        self._metrics.claimed(found.values(), cast(Consumer, self.app.consumer).ends)
        log.info("partitions_claimed", topic=self._topic, partitions={p: f.next_offset for p, f in found.items()})
        return {p: Claimed(f.next_offset, stopped=f.stopped_reason is not None) for p, f in found.items()}

    def _postpone(self, error: Exception) -> None:
        """Count a claim that will be made again. Raises what is nobody's fault but ours (`Fault.STOP`)."""
        if classify(error) is Fault.STOP:
            raise error
        log.warning("claim_postponed", topic=self._topic, error=repr(error))
        self._metrics.claims_postponed.labels(self._service, name_of(error)).inc()

    async def _pass_gap(self, connection: Connection, position: Position, earliest: int) -> Position:
        """Go on at `earliest` where records before it are gone; stop there where the settings say so."""
        partition, stored = position.partition, position.next_offset
        if stored >= earliest:
            return position
        # Before the commit, whose answer may be lost: told twice is better than passed over in silence.
        log.error("records_gone", topic=self._topic, partition=partition, gap=[stored, earliest])
        self._metrics.gap_records.labels(self._service).inc(earliest - stored)
        await positions.skip_gap(connection, self._service, self._topic, partition, earliest)
        if self._settings.retention_gap == "stop":
            reason = f"retention ate the offsets {stored} to {earliest - 1} before they were consumed"
            await positions.stop(connection, self._service, self._topic, partition, reason)
        return (await positions.fence(connection, self._service, self._topic, [partition]))[partition]

    async def _stop_beyond(self, found: Mapping[int, Position], ends: Mapping[int, int]) -> dict[int, Position]:
        """Stop the partitions whose positions lie beyond their ends, and return them: their topic was made anew.

        Their ends are asked for again, now that the positions are known. While the claim waited for what was in hand,
        that may have been moved past the ends of before; and a broker that has just started may know of less than it
        has.
        """
        beyond = {p: ends[p] for p, it in found.items() if it.next_offset > ends[p] and it.stopped_reason is None}
        for pause in AGAIN_AFTER:
            if not beyond:
                return {}
            await asyncio.sleep(pause)
            now = await self.app.consumer.highwaters(*(TP(self._topic, partition) for partition in beyond))
            beyond = {tp.partition: end for tp, end in now.items() if found[tp.partition].next_offset > end}
        if not beyond:
            return {}
        async with acquire(self._pool) as connection, transaction(connection):
            for partition, end in sorted(beyond.items()):
                stored = found[partition].next_offset
                reason = f"the stored offset {stored} is beyond the end {end}: the topic was made anew"
                await positions.stop(connection, self._service, self._topic, partition, reason)
            return await positions.fence(connection, self._service, self._topic, beyond)

    async def _mirror_positions(self) -> None:
        while True:
            await asyncio.sleep(HINT_INTERVAL)
            await self._mirror_once()

    async def _mirror_once(self) -> None:
        assigned = {tp.partition: tp for tp in self._assignment()}
        hints = {assigned[p]: offset for p, offset in self._metrics.offsets().items() if p in assigned and offset}
        try:
            if hints:
                await cast(Consumer, self.app.consumer)._commit({_aiokafka(tp): offset for tp, offset in hints.items()})
        except KafkaError as error:
            log.info("hint_not_committed", error=type(error).__name__)

    async def _follow_positions(self) -> None:
        """Read again from the positions where they have changed behind us."""
        while True:
            await asyncio.sleep(LOOK_INTERVAL)
            changed: bool = await patiently(_away)(self._have_changed)
            if changed:
                await self.app.restart_at_positions()

    async def _have_changed(self) -> bool:
        """Whether a stopped partition is stopped no more, or a position is gone or lies before where it was.

        What is known is looked up first: positions that move meanwhile only move on.
        """
        stopped = {tp.partition for tp in self.app.stopped}
        known = self._metrics.offsets()
        async with acquire(self._pool) as connection:
            rows = await connection.fetch(queries["look_at_positions"], self._service, self._topic, list(known))
        return len(rows) < len(known) or any(
            row["next_offset"] < known[row["partition"]] or (row["partition"] in stopped and not row["stopped"])
            for row in rows
        )

    def _assignment(self) -> set[TP]:
        return set(self.app.consumer.assignment())

    async def _watch(self) -> None:
        """End the process when there are records and none arrive; the lanes' own patience is not a stall.

        Time runs from the look that finds records waiting: nobody knows since when, before it, they have been there.
        """
        waited = False
        while True:
            await asyncio.sleep(1)
            self._pulse.beat("consuming")
            if self.app.should_stop and (crash := self.app.crash_reason):
                raise StalledError(f"the consumer crashed: {crash!r}") from crash
            stopped = {tp.partition for tp in self.app.stopped}
            wait = not self._lanes.busy and any(n for p, n in self._metrics.lag().items() if p not in stopped)
            if not (wait and waited):
                self._last_progress = time.monotonic()
            elif time.monotonic() - self._last_progress > self._settings.watchdog_timeout:
                raise StalledError(
                    f"{self._topic}: records wait, and none arrived for {self._settings.watchdog_timeout} s"
                )
            waited = wait


def _heartbeat_interval(settings: Settings) -> float:
    """Seconds between the signs of life of a member of the group, by which it also hears of a rebalance."""
    return settings.session_timeout / 10


def _away(error: BaseException) -> bool:
    return classify(error) in (Fault.TRANSIENT, Fault.SPLIT)


def _aiokafka(tp: TP) -> TopicPartition:
    return TopicPartition(tp.topic, tp.partition)


def _credentials(settings: Settings) -> Credentials | None:
    """How to reach Kafka, in Faust's words."""
    if "SASL" in settings.kafka_security_protocol:
        return SASLCredentials(
            mechanism=settings.kafka_sasl_mechanism,
            username=settings.kafka_sasl_username,
            password=sasl_password(settings),
            ssl_context=tls_context(settings),
        )
    context = tls_context(settings)
    return SSLCredentials(context) if context is not None else None
