"""Processes that freeze, end, come and go."""

import asyncio
from contextlib import AsyncExitStack
from signal import SIGTERM

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from contracts.topics import SPONSOR_ACTIVITY
from services.operator.kafka_admin import admin
from services.operator.processes import INTAKE_SERVICES, Child
from tests.support.faulty import PATIENCE, Scene
from tests.support.stage import Stage

pytestmark = pytest.mark.timeout(240)


@pytest.mark.long
@pytest.mark.proves(8)
async def test_replicas_that_come_go_and_are_restarted_in_turn_lose_and_double_nothing(stage: Stage) -> None:
    async with stage.scene() as it:
        await it.flowing()
        await asyncio.gather(*(it.add(service, 2) for service in INTAKE_SERVICES))
        await it.recovered()
        for replica in range(3):
            turn = [it.processes(service)[0] for service in INTAKE_SERVICES]  # who was restarted goes to the end
            assert await asyncio.gather(*map(it.restart, turn)) == [0, 0, 0], replica
        await it.recovered()
        for _ in range(2):
            leaving = [it.processes(service)[0] for service in INTAKE_SERVICES]
            assert await asyncio.gather(*map(it.remove, leaving)) == [0, 0, 0]
        seconds = await it.recovered()
        await it.prove("each intake service from 1 to 3 replicas, all restarted in turn, back to 1", 7, seconds)


@pytest.mark.long
@pytest.mark.proves(20)
async def test_a_process_that_is_asked_to_stop_twice_in_the_middle_of_its_batches_commits_them_and_ends_with_0(
    stage: Stage,
) -> None:
    """Each waits for its rows by then, and gets them when it has been asked twice and has heard it."""
    async with stage.scene(rate=300) as it:
        await it.flowing()
        victims = [it.processes(service)[0] for service in INTAKE_SERVICES]
        async with it.holding("SELECT FROM stream_offsets FOR UPDATE"):
            await asyncio.gather(*map(it.blocked, INTAKE_SERVICES))
            before = await it.settled()
            stopping = [asyncio.create_task(it.remove(child)) for child in victims]
            await it.until(lambda: all('"stopping"' in child.log.read_text("utf-8") for child in victims))
            for child in victims:
                assert child.process is not None
                child.process.send_signal(SIGTERM)
        assert await asyncio.gather(*stopping) == [0, 0, 0]
        after = await it.settled()
        assert all(after[service] > before[service] for service in INTAKE_SERVICES)
        for child in victims:
            it.bring_back(child)
        seconds = await it.recovered()
        await it.prove(
            "SIGTERM, and again once that was heard, to each intake service in the middle of a batch", 3, seconds
        )


@pytest.mark.long
@pytest.mark.proves(8)
async def test_a_process_that_is_asked_to_stop_in_the_middle_of_a_rebalance_does_not_wait_for_its_end(
    stage: Stage,
) -> None:
    """A frozen member holds the rebalance up for as long as its session lasts, which is longer than is waited for."""
    service, session = "ticket_sales", 40.0
    async with stage.scene(session_timeout=session) as it:
        await it.flowing()
        await it.add(service, 2)
        await it.until(lambda: _shared(it, service))
        stays, leaves, frozen = it.processes(service)
        with it.frozen(frozen):
            assert await it.remove(leaves) == 0
            await it.until(lambda: _lost_all(it, stays))
            async with asyncio.timeout(session / 2):
                assert await it.remove(stays) == 0
        it.bring_back(stays)
        seconds = await it.recovered()
        await it.prove("SIGTERM in the middle of a rebalance that a frozen member holds up", 1, seconds)


@pytest.mark.long
@pytest.mark.proves(3, 4)
async def test_a_worker_frozen_in_its_transaction_holds_up_its_partitions_for_a_while_and_is_fenced_when_it_wakes(
    stage: Stage,
) -> None:
    """It is frozen while it waits for its rows, which it gets then: the claim waits for the database to end it."""
    service = "ticket_sales"
    async with stage.scene(lanes=1) as it:
        await it.flowing()
        await it.add(service, 1)
        await it.recovered()
        await it.until(lambda: _shared(it, service))  # it is to be a batch that waits, and no claim
        victim, other = it.processes(service)
        async with AsyncExitStack() as still:
            async with it.holding("SELECT FROM stream_offsets WHERE service = 'ticket_sales' FOR UPDATE"):
                await it.blocked(service, 2)
                still.enter_context(it.frozen(victim))
            frozen = await it.recovered()
            assert "claim_postponed" in other.log.read_text("utf-8")
        await it.until(lambda: _fenced(it, service))
        await it.until(lambda: _shared(it, service))
        await it.prove(
            f"a worker frozen in its transaction, session timeout 6 s; its rows were free after {frozen:.0f} s",
            1,
            frozen,
        )


@pytest.mark.long
@pytest.mark.proves(9)
async def test_a_spare_replica_that_was_idle_for_long_takes_over_when_the_owner_dies(stage: Stage) -> None:
    """One partition, two replicas, a poll interval that the spare has long exceeded."""
    service, name = "sponsor_activity", SPONSOR_ACTIVITY.full_name(stage.settings.topic_prefix)
    async with admin(stage.settings) as client:
        await client.delete_topics([name])
        await _until_partitions(client, name, 0)
        await client.create_topics([NewTopic(name, 1, 1, topic_configs=dict(SPONSOR_ACTIVITY.kafka_settings))])
        await _until_partitions(client, name, 1)
    async with stage.scene(on={"EVENTOS_FAUST_BROKER_MAX_POLL_INTERVAL": "12"}) as it:
        await it.flowing()
        await it.add(service, 1)
        await it.recovered()
        await it.lasts(30)
        owner, spare = await _owner_first(it, service)
        it.services.fleet.children.remove(owner)
        assert owner.process is not None
        owner.process.kill()
        await owner.process.wait()
        seconds = await it.recovered()
        assert spare.running
        await it.prove("spare idle for 30 s, poll interval 12 s; the owner killed for good", 1, seconds)


async def _until_partitions(client: AIOKafkaAdminClient, name: str, count: int) -> None:
    """Wait until the broker tells of so many partitions of a topic, twice running: it learns of a deletion late."""
    async with asyncio.timeout(PATIENCE):
        seen = 0
        while seen < 2:
            (described,) = await client.describe_topics([name])
            seen = seen + 1 if len(described["partitions"]) == count else 0


async def _fenced(it: Scene, service: str) -> bool:
    return await it.sum_of(service, "eventos_fenced_batches", "eventos_fenced_batches_total") > 0


async def _owned(it: Scene, child: Child) -> int:
    return len(await it.services.samples(child, "eventos_stored_offset"))


async def _lost_all(it: Scene, child: Child) -> bool:
    return not await _owned(it, child)


async def _shared(it: Scene, service: str) -> bool:
    """Whether every replica has partitions."""
    return all([await _owned(it, child) for child in it.processes(service)])


async def _owner_first(it: Scene, service: str) -> list[Child]:
    owned = {child.name: await _owned(it, child) for child in it.processes(service)}
    return sorted(it.processes(service), key=lambda child: -owned[child.name])
