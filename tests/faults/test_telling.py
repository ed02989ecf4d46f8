"""What is told of changes: the relay ends, freezes, meets another, and meets topics that it cannot write to."""

from functools import partial

import pytest

from contracts.topics import DASHBOARD_UPDATES, DEAD_LETTERS, LEAD_SCORES, Topic
from services.operator.processes import SERVICES, Child
from services.operator.topics import apply_topics
from tests.support.faulty import Scene
from tests.support.interleaving import terminate
from tests.support.stage import Stage
from tests.support.told import everything_told

pytestmark = pytest.mark.timeout(300)
RELAY = "outbox_relay"


@pytest.mark.proves(17)
async def test_a_relay_killed_between_sending_and_deleting_sends_the_same_again_in_order(stage: Stage) -> None:
    """Rows that it has sent are locked, so that it cannot delete them, and its session ends before they are let go."""
    async with stage.scene() as it:
        await it.flowing()
        (relay,) = it.processes(RELAY)
        for _ in range(3):
            async with it.observer() as holder, holder.transaction():
                await it.until(partial(holder.fetchval, "SELECT count(*) FROM (SELECT FROM outbox FOR UPDATE)"))
                await it.blocked(RELAY)
                await it.kill(relay)
                await terminate(holder, f"eventos-{RELAY}")
            await it.until(lambda: _sends(it))
        seconds = await it.recovered()
        found = await it.prove("relay killed with -9 while its DELETE waited, the rows sent", 3, seconds)
        assert found.again > 0


@pytest.mark.long
@pytest.mark.proves(18)
async def test_of_two_relays_one_sends_and_one_that_was_frozen_is_fenced(stage: Stage) -> None:
    async with stage.scene() as it:
        await it.flowing()
        await it.add(RELAY, 1)
        first = await _active(it)
        with it.frozen(first):
            await it.until(lambda: _only_active_is(it, other_than=first))
        await it.until(lambda: _sends(it))
        seconds = await it.recovered()
        await it.until(lambda: _one_active(it))
        await it.prove("active relay frozen until the other had taken over, then let go on", 1, seconds)


@pytest.mark.long
@pytest.mark.proves(16)
async def test_topics_that_cannot_be_written_to_hold_up_nothing_and_get_all_once_they_can(stage: Stage) -> None:
    """Two topics are not there when the relay begins, so that nothing that it has told goes with them."""
    async with stage.scene(services=[service for service in SERVICES if service != RELAY]) as it:
        await it.flowing()
        absent = [topic.full_name(it.settings.topic_prefix) for topic in (LEAD_SCORES, DEAD_LETTERS)]
        await it.services.reader.admin.delete_topics(absent)
        await it.add(RELAY, 1)
        await it.settles(1000)
        await it.until(partial(_told, it, DASHBOARD_UPDATES))
        assert await it.sum_of(RELAY, "eventos_outbox_oldest_age_seconds") > 10
        await apply_topics(it.settings, replication_factor=1)
        seconds = await it.until(lambda: _fresh_outbox(it))
        await it.prove("no topics lead-scores and dead-letters, for 1,000 records", 1, seconds)


async def _told(it: Scene, topic: Topic) -> bool:
    return bool(await everything_told(it.services, topic))


async def _fresh_outbox(it: Scene) -> bool:
    return await it.sum_of(RELAY, "eventos_outbox_oldest_age_seconds") < 2


async def _sends(it: Scene) -> bool:
    """Whether nothing has waited in the outbox for long."""
    waiting: int = await it.services.pool.fetchval(
        "SELECT count(*) FROM outbox WHERE created_at < now() - interval '2 s'"
    )
    return waiting == 0


async def _is_active(it: Scene, relay: Child) -> bool:
    return [sample.value for sample in await it.services.samples(relay, "eventos_outbox_relay_active")] == [1.0]


async def _active(it: Scene) -> Child:
    (active,) = [relay for relay in it.processes(RELAY) if await _is_active(it, relay)]
    return active


async def _only_active_is(it: Scene, other_than: Child) -> bool:
    (other,) = [relay for relay in it.processes(RELAY) if relay is not other_than]
    return await _is_active(it, other)


async def _one_active(it: Scene) -> bool:
    return [await _is_active(it, relay) for relay in it.processes(RELAY)].count(True) == 1
