"""A service process: what it is made of, how it starts, and how it ends.

Every part runs in one task group: the first that fails ends them all, and the process with a non-zero exit. SIGTERM
and SIGINT let the batches in flight commit, then end it with 0.
"""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from contracts.topics import Topic
from services import VERSION
from services.runtime import dead_letters
from services.runtime.consuming import Consuming
from services.runtime.database import Fault, Pool, acquire, classify, connect_pool, fetch_one, patiently
from services.runtime.health import HealthServer, Pulse
from services.runtime.intake import Handler, Intake
from services.runtime.kafka import check_access
from services.runtime.logs import report_stray
from services.runtime.metrics import IntakeMetrics, ServiceMetrics
from services.runtime.projection import Projection, View
from services.runtime.settings import ConfigurationError, Settings
from services.runtime.sql import load_queries
from services.runtime.wake import Bell, marks_channel, wake

log = structlog.get_logger(__name__)
queries = load_queries(__package__)

OBSERVE_INTERVAL = 5.0
"""Seconds between readings of the gauges that live in the database."""
EXPIRY_INTERVAL = 3600.0
"""Seconds between removals of dead letters whose time is over."""
REDRIVE_LETTERS = 1000
"""Most dead letters that are taken up again in one transaction."""

COLLECTION_THRESHOLDS = (500_000, 20, 50)
"""Objects made and not freed before the youngest are searched for cycles; and how many such searches before older."""

COLLECTION_INTERVAL = 60.0
"""Seconds between searches of all objects that were made since the start."""

Background = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Tools:
    """What the runtime hands to a service that is being built."""

    settings: Settings
    pool: Pool
    metrics: ServiceMetrics
    pulse: Pulse


@dataclass(frozen=True, slots=True)
class Parts:
    """What a service is made of. Background parts run until cancelled; one that returns is done for good."""

    handler: Handler | None = None
    views: Sequence[View] = ()
    background: Sequence[Background] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """A service: its name, its wiring, and the topic that it consumes, if it does."""

    name: str
    build: Callable[[Tools], Awaitable[Parts]]
    topic: Topic | None = None


async def serve(service: Service, settings: Settings) -> None:
    """Run `service` until SIGTERM or SIGINT, then let work in flight commit. Raises what ended it otherwise."""
    asyncio.get_running_loop().set_exception_handler(report_stray)
    stopping = _on_signals()
    collect_seldom()
    metrics = metrics_of(service, settings)
    pulse = Pulse(settings.watchdog_timeout)
    ready = _Readiness()
    pages = HealthServer(metrics.registry, pulse, ready.missing, host=settings.metrics_host, port=settings.metrics_port)
    runner, address = await pages.start()
    log.info("serving", address=address)
    try:
        async with asyncio.TaskGroup() as group:
            work = group.create_task(_work(service, settings, metrics, pulse, ready, stopping))
            group.create_task(_cancel_when(stopping, ready, work))
    finally:
        await runner.cleanup()
    log.info("stopped")


async def _cancel_when(stopping: asyncio.Event, ready: "_Readiness", work: asyncio.Task[None]) -> None:
    """Before the service runs, stopping is just letting go; a running one stops by itself."""
    waiting = asyncio.ensure_future(stopping.wait())
    await asyncio.wait([waiting, work], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not ready.running:
        work.cancel()


async def _work(
    service: Service, settings: Settings, metrics: ServiceMetrics, pulse: Pulse, ready: "_Readiness",
    stopping: asyncio.Event,
) -> None:  # fmt: skip
    pool = await _patient_pool(service.name, settings, metrics, pulse)
    ready.pool = pool
    try:
        await _check_role(pool, service.name)
        tools = Tools(settings, pool, metrics, pulse)
        parts = await service.build(tools)
        if service.topic is not None:
            await check_access(settings)
        ready.running = True
        await _run(service, parts, tools, stopping)
    finally:
        pool.terminate()


async def _run(service: Service, parts: Parts, tools: Tools, stopping: asyncio.Event) -> None:
    consuming = _consuming(service, parts, tools)
    projections = [
        Projection(view, service.name, tools.pool, tools.settings, tools.metrics, tools.pulse) for view in parts.views
    ]
    bells = [Bell(tools.settings, service.name, marks_channel(view.name)) for view in parts.views]
    async with asyncio.TaskGroup() as group:
        tasks: list[asyncio.Task[None]] = [group.create_task(background()) for background in parts.background]
        tasks += [group.create_task(bell.run()) for bell in bells]
        tasks += [group.create_task(p.run(bell)) for p, bell in zip(projections, bells, strict=True)]
        tasks += [group.create_task(repeatedly(p.observe, OBSERVE_INTERVAL, tools)) for p in projections]
        if consuming is not None:
            tasks.append(group.create_task(consuming.run()))
            redrive = partial(_redrive, service.name, tools)
            tasks.append(group.create_task(repeatedly(redrive, tools.settings.redrive_interval, tools)))
            tasks.append(group.create_task(repeatedly(partial(_expire, tools), EXPIRY_INTERVAL, tools)))
        tasks.append(group.create_task(_collect()))
        group.create_task(_stop_when(stopping, consuming, tasks))


async def _stop_when(stopping: asyncio.Event, consuming: Consuming | None, tasks: Sequence[asyncio.Task[None]]) -> None:
    try:
        await stopping.wait()
        log.info("stopping")
    finally:
        if consuming is not None:
            await consuming.stop()
        for task in tasks:
            task.cancel()


def _consuming(service: Service, parts: Parts, tools: Tools) -> Consuming | None:
    if service.topic is None or parts.handler is None or not isinstance(tools.metrics, IntakeMetrics):
        return None
    intake = Intake(service.topic, parts.handler, tools.pool, tools.settings, tools.metrics, service=service.name)
    return Consuming(service.topic, intake, service.name, tools.pool, tools.settings, tools.metrics, tools.pulse)


def metrics_of(service: Service, settings: Settings) -> ServiceMetrics:
    """Make the metrics of a process of `service`, which say from the start what it is."""
    if service.topic is None:
        metrics = ServiceMetrics(service.name)
    else:
        metrics = IntakeMetrics(service.name, service.topic.full_name(settings.topic_prefix))
    metrics.build_info.labels(service.name, VERSION).set(1)
    return metrics


async def repeatedly(act: Background, interval: float, tools: Tools) -> None:
    """Do something every `interval` seconds; a database that is away, or slow, is waited for."""
    while True:
        try:
            await act()
        except Exception as error:
            fault = classify(error)
            if fault not in (Fault.TRANSIENT, Fault.SPLIT):
                raise
            tools.metrics.retried(fault, error)
        await asyncio.sleep(interval)


async def _expire(tools: Tools) -> None:
    """Remove the dead letters whose time is over; say so, for what was still pending is lost."""
    async with acquire(tools.pool) as connection:
        removed = await dead_letters.expire(connection, tools.settings.dead_letters_kept_days)
    for (refused_by, status), count in removed.items():
        log.info("letters_expired", refused_by=refused_by, status=status, letters=count)
        if isinstance(tools.metrics, IntakeMetrics):
            tools.metrics.letters_expired.labels(refused_by, status).inc(count)


async def _redrive(service: str, tools: Tools) -> None:
    """Take up the letters whose missing sponsor or event has come."""
    async with acquire(tools.pool) as connection:
        taken_up = await connection.fetchval(queries["take_up_letters"], service, REDRIVE_LETTERS)
        pending = await connection.fetchval(queries["count_pending_letters"], service)
        await wake(connection, (), outbox=taken_up > 0)
    if isinstance(tools.metrics, IntakeMetrics):
        tools.metrics.letters_pending.labels(service).set(pending)


async def _patient_pool(service: str, settings: Settings, metrics: ServiceMetrics, pulse: Pulse) -> Pool:
    """Connect, however long the database is away. Raises what waiting cannot mend: a wrong password, a missing role."""

    def passing(error: BaseException) -> bool:
        fault = classify(error)
        metrics.retried(fault, error)
        pulse.beat("connecting")
        log.warning("database_away", error=type(error).__name__, why=str(error))
        return fault is Fault.TRANSIENT

    pool: Pool = await patiently(passing)(partial(connect_pool, settings, service))
    pulse.forget("connecting")
    return pool


async def _check_role(pool: Pool, service: str) -> None:
    """Refuse to run as a role that row security hides rows from: it would dead-letter everything."""
    async with acquire(pool) as connection:
        row = await fetch_one(connection, queries["own_role"])
    if row["name"] != f"eventos_{service}":
        raise ConfigurationError(f"EVENTOS_DATABASE_URL: connected as {row['name']}, not as eventos_{service}")
    if not row["sees_all_rows"]:
        raise ConfigurationError(
            f"EVENTOS_DATABASE_URL: the role {row['name']} lacks BYPASSRLS, so row security would hide sponsors and "
            "events from it and refuse every record; run `eventos migrate` as a role that may grant it"
        )


class _Readiness:
    """Ready once there is a pool whose database answers."""

    def __init__(self) -> None:
        self.pool: Pool | None = None
        self.running = False

    async def missing(self) -> str | None:
        if self.pool is None:
            return "no database connection yet"
        async with acquire(self.pool) as connection:
            await connection.execute(queries["ping"])
        return None


def collect_seldom() -> None:
    """Look for cycles of garbage when more objects are kept than batches in hand make, never among what was imported.

    A batch makes two hundred thousand objects, and no cycle unless it fails: their counts free them. Looking through
    them took a third of an intake service's time (docs/adr/0009).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTION_THRESHOLDS)


async def _collect() -> None:
    """Look for all cycles now and then: an attempt that has failed is one, of few objects that hold a whole batch."""
    while True:
        await asyncio.sleep(COLLECTION_INTERVAL)
        gc.collect()


def _on_signals() -> asyncio.Event:
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping
