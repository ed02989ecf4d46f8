"""Waiting until the services have nothing left to do."""

import asyncio
from collections.abc import Callable

from services.operator.kafka_clients import Reader
from services.operator.output import Failure
from services.operator.standing import Standing, look
from services.runtime.database import Pool
from services.runtime.settings import Settings

_PAUSE = 0.25


async def wait_idle(
    settings: Settings,
    pool: Pool,
    reader: Reader,
    *,
    watch: Callable[[Standing], None] = lambda _: None,
    patience: float = 120.0,
) -> Standing:
    """Look until all is consumed, projected and told, on two consecutive looks; returns the last one.

    `watch` gets every look, and may raise to end the waiting. Raises Failure when a partition is stopped or a key is
    parked, for neither mends itself, and when nothing has moved for `patience` seconds.
    """
    loop = asyncio.get_running_loop()
    idle_looks, before, moved = 0, None, loop.time()
    while True:
        now = await look(settings, pool, reader)
        watch(now)
        _require_healthy(now)
        of_its_day = settings.as_of is None or now.as_of == settings.as_of
        idle_looks = idle_looks + 1 if now.idle and of_its_day else 0
        if idle_looks == 2:
            return now
        if (progress := _progress(now)) != before:
            before, moved = progress, loop.time()
        if loop.time() - moved > patience:
            raise Failure(f"nothing has moved for {patience:.0f} s, and work is left", _what_is_left(now))
        await asyncio.sleep(_PAUSE)


def _require_healthy(now: Standing) -> None:
    for partition in now.partitions:
        if partition.stopped_reason:
            where = f"{partition.topic} {partition.partition}"
            raise Failure(
                f"{partition.service} stopped {where} at offset {partition.stored_offset}", partition.stopped_reason
            )
    if now.parked_keys:
        raise Failure(f"{now.parked_keys} keys of a view are parked", "A projection failed on them; see its log.")


def _progress(now: Standing) -> tuple[int, ...]:
    return (now.lag, now.marks_pending, now.outbox_pending, *(p.stored_offset for p in now.partitions))


def _what_is_left(now: Standing) -> str:
    return f"{now.lag} records to consume, {now.marks_pending} stale marks, {now.outbox_pending} outbox rows to send"
