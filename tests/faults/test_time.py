"""Clocks that step, and events that come late or too early."""

import asyncio
from pathlib import Path

import orjson
import pytest

from contracts.topics import TICKET_SALES
from tests.support.clock import compiler, stepped_clock
from tests.support.faulty import Scene
from tests.support.stage import Stage

pytestmark = [pytest.mark.timeout(240), pytest.mark.long]

HOUR = 3600


@pytest.mark.proves(23)
@pytest.mark.skipif(compiler() is None, reason="no C compiler for a library that changes the clock of one process")
async def test_a_clock_that_steps_forward_and_back_moves_no_timer_and_no_day(stage: Stage, tmp_path: Path) -> None:
    with stepped_clock(tmp_path) as clock:
        async with stage.scene(on=clock.environment, watchdog_timeout=20.0) as it:
            await it.flowing()
            for hours in (2, -3, 50, -50, 0):
                clock.step(hours * HOUR)
                at_once = await _alive(it)
                await it.settles(200)
                assert (at_once, await _alive(it)) == ({200}, {200})
            seconds = await it.recovered()
            await it.prove("wall clock of all services stepped by up to 100 h, forward and back", 5, seconds)


@pytest.mark.proves(23)
async def test_events_of_the_past_count_on_their_day_and_those_of_the_future_are_refused(stage: Stage) -> None:
    async with stage.scene() as it:
        await it.flowing()
        about = it.core["events"][0]["id"]
        times = ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2026-01-11T00:05:00Z", "2026-01-11T00:05:00.000001Z"]
        records = [
            {
                "topic": TICKET_SALES.name,
                "key": about,
                "value": orjson.dumps(
                    {
                        "specversion": "1.0",
                        "id": f"{time}-{number}",
                        "source": "/late",
                        "type": "eventos.ticketing.order_completed.v1",
                        "time": time,
                        "data": {
                            "event_id": about, "order_id": f"{time}-{number}", "quantity": 1, "amount": "1",
                            "currency": "USD", "ticket_type": "t", "sponsor_id": it.core["sponsors"][number]["id"],
                        },
                    }
                ).decode(),
            }
            for time in times
            for number in range(5)
        ]  # fmt: skip
        await it.services.publish(records)
        seconds = await it.recovered()
        refused = await it.services.pool.fetchval(
            "SELECT count(*) FROM dead_letters WHERE source = '/late' AND reason = 'time_in_future'"
        )
        assert refused == 5
        await it.prove("orders of the years 1, 1970, at the very end of the day, and a microsecond later", 20, seconds)


async def _alive(it: Scene) -> set[int]:
    """What the processes say of their loops."""
    return set(await asyncio.gather(*(it.page(child, "livez") for child in it.services.fleet.children)))
