"""The broker goes away, and what it holds is changed behind our back."""

import asyncio
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from contracts.topics import PARTITIONS
from services.operator.processes import GRACE, INTAKE_SERVICES
from services.operator.standing import INTAKE_TOPICS
from tests.support.faulty import Scene
from tests.support.own_servers import OwnKafka, hanging
from tests.support.stage import Stage
from tests.support.whole_processes import ROOT

pytestmark = [pytest.mark.timeout(300), pytest.mark.long]


@pytest.mark.proves(10)
@pytest.mark.parametrize("how", ["in order", "with -9", "hanging"])
async def test_services_go_on_after_their_broker_was_away(
    stage_on_breakable_kafka: Stage, breakable_kafka: OwnKafka, how: str
) -> None:
    async with stage_on_breakable_kafka.scene() as it:
        await it.flowing()
        if how == "hanging":
            with hanging(breakable_kafka.server):
                await it.lasts(15)
        else:
            await (breakable_kafka.stop() if how == "in order" else breakable_kafka.kill())
            await it.lasts(3)
            await breakable_kafka.start()
        seconds = await it.recovered()
        done = {"hanging": "broker frozen for 15 s, longer than a session"}
        await it.prove(done.get(how, f"broker ended {how}, and started again 3 s later"), 1, seconds)


@pytest.mark.proves(10)
async def test_a_broker_that_is_away_for_long_is_waited_for_or_the_process_ends_and_is_started_again(
    stage_on_breakable_kafka: Stage, breakable_kafka: OwnKafka
) -> None:
    async with stage_on_breakable_kafka.scene(watchdog_timeout=15.0) as it:
        await it.flowing()
        await breakable_kafka.stop()
        await it.lasts(45)
        await breakable_kafka.start()
        seconds = await it.recovered(60)
        it.exits = it.ended()
        assert not [service for service, code in it.exits if code == 0]
        ended = it.exits.total()
        await it.prove(
            f"broker away for 45 s, watchdog at 15 s ({ended} processes ended non-zero, were restarted)", 1, seconds
        )


@pytest.mark.proves(20)
async def test_a_relay_that_is_asked_to_stop_while_its_broker_hangs_ends_in_time_and_in_order(
    stage_on_breakable_kafka: Stage, breakable_kafka: OwnKafka
) -> None:
    async with stage_on_breakable_kafka.scene() as it:
        await it.flowing()
        (relay,) = it.processes("outbox_relay")
        with hanging(breakable_kafka.server):
            await it.lasts(3)
            async with asyncio.timeout(GRACE):
                assert await it.remove(relay) == 0
        it.bring_back(relay)
        seconds = await it.recovered()
        await it.prove("SIGTERM to the relay while the broker was frozen", 1, seconds)


@pytest.mark.proves(11)
async def test_postgres_decides_where_to_read_whatever_becomes_of_the_groups_offsets(stage: Stage) -> None:
    async with stage.scene() as it:
        await it.flowing()
        for change in (_reset, _delete):
            children = [it.processes(service)[0] for service in INTAKE_SERVICES]
            assert await asyncio.gather(*map(it.remove, children)) == [0, 0, 0]
            for service in INTAKE_SERVICES:
                await change(it, service)
            for child in children:
                it.bring_back(child)
            seconds = await it.recovered()
        await it.prove("offsets of each group reset to 0, then the groups deleted", 6, seconds)


async def _reset(it: Scene, service: str) -> None:
    """Commit offset 0 for every partition, as `kafka-consumer-groups --reset-offsets` does."""
    topic = INTAKE_TOPICS[service].full_name(it.settings.topic_prefix)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=it.settings.kafka_bootstrap_servers,
        group_id=it.settings.consumer_group(service),
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
        consumer.assign(places)
        await consumer.commit({place: OffsetAndMetadata(0, "") for place in places})
    finally:
        await consumer.stop()


async def _delete(it: Scene, service: str) -> None:
    """Delete the whole group with Kafka's own tool."""
    await _kafka_tool(it, "consumer-groups", "--delete", "--group", it.settings.consumer_group(service))


async def _kafka_tool(it: Scene, *words: str) -> None:
    environment = {"EVENTOS_KAFKA_BOOTSTRAP_SERVERS": it.settings.kafka_bootstrap_servers, "PATH": "/usr/bin:/bin"}
    tool = await asyncio.create_subprocess_exec(
        Path(ROOT, "infra", "local", "kafka-tool"), *words, env=environment, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await tool.communicate()
    assert tool.returncode == 0, said
