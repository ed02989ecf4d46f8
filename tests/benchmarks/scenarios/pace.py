"""Publishing at a steady rate."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from itertools import chain, cycle, islice, repeat
from random import Random
from time import monotonic

from services.operator.output import Failure
from services.operator.standing import INTAKE_TOPICS
from tests.benchmarks.lab import MIXTURE, Backlog

TICK = 0.005
"""Seconds between looks of the publisher at what is due; to wake it for each event costs as much as the event."""


async def at_rate(
    rate: int, total: int, send: Callable[[int], Awaitable[None]], require_alive: Callable[[], None]
) -> float:
    """Send the events 0 to `total` - 1, so many a second; return by how many seconds the latest was late.

    Raises Failure when the rate cannot be kept, and what `require_alive` raises.
    """
    begun, latest = monotonic(), 0.0
    for number in range(total):
        while begun + number / rate > monotonic():
            await asyncio.sleep(TICK)
            require_alive()
        latest = max(latest, monotonic() - begun - number / rate)
        await send(number)
    if (took := monotonic() - begun) > 1.05 * total / rate:
        raise Failure(f"{rate} events/s could not be published: {total} took {took:.1f} s")
    return latest


def mixed(backlog: Backlog, total: int) -> Iterator[tuple[str, bytes, bytes]]:
    """So many records of all topics, mixed as the usual backlog is: (topic, key, value).

    Of a multiple of ten, each topic has its `mixture` exactly, in the order in which a backlog of that size has it.
    """
    records = {
        service: backlog.workload.records(INTAKE_TOPICS[service], -(-total * tenths // 10))
        for service, tenths in MIXTURE.items()
    }
    names = {service: INTAKE_TOPICS[service].full_name(backlog.topic_prefix) for service in MIXTURE}
    turns = list(chain.from_iterable(repeat(service, tenths) for service, tenths in MIXTURE.items()))
    Random(1).shuffle(turns)
    for service in islice(cycle(turns), total):
        yield names[service], *next(records[service])
