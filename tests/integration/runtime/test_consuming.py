"""Consuming from a real Kafka: the position in Postgres decides what is read, whatever else is believed."""

import asyncio
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from faust.types import TP
from prometheus_client import generate_latest

from contracts.topics import SPONSOR_ACTIVITY
from services.runtime import consuming
from services.runtime.consuming import StalledError
from services.runtime.database import Connection
from services.runtime.record_batches import ConsumerThread
from services.runtime.settings import Settings
from tests.support.consuming import DEADLINE, SERVICE, consumer, consuming_process, notes, publish, until_stored
from tests.support.crm import add_sponsor
from tests.support.databases import connect
from tests.support.intakes import stored
from tests.support.interleaving import terminate, until_blocked


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done now and then is done at once."""
    monkeypatch.setattr(consuming, "LOOK_INTERVAL", 0.2)
    monkeypatch.setattr(consuming, "HINT_INTERVAL", 0.2)


@pytest.fixture
async def sponsor(connection: Connection) -> str:
    return await add_sponsor(connection)


async def committed(settings: Settings) -> dict[int, int]:
    """The offsets that lag tools see."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(settings.consumer_group(SERVICE))
        return {tp.partition: found.offset for tp, found in offsets.items()}
    finally:
        await admin.close()


async def test_what_is_published_is_settled_and_lag_tools_see_it(
    settings: Settings, connection: Connection, sponsor: str
) -> None:
    await publish(settings, 0, notes(sponsor, 50))
    await publish(settings, 1, [*notes(sponsor, 3), b"{"])
    async with consumer(settings) as metrics:
        await until_stored(connection, {0: (50, 50, 0, 0), 1: (4, 3, 0, 1)})
        await publish(settings, 0, notes(sponsor, 5))
        await until_stored(connection, {0: (55, 55, 0, 0), 1: (4, 3, 0, 1)})
        exposed = generate_latest(metrics.registry).decode()

    assert await committed(settings) == {0: 55, 1: 4}
    labels = f'partition="1",service="{SERVICE}",topic="{SPONSOR_ACTIVITY.full_name(settings.topic_prefix)}"'
    for line in (
        f'eventos_records_consumed_total{{outcome="applied",{labels}}} 3.0',
        f'eventos_records_consumed_total{{outcome="dead_lettered",{labels}}} 1.0',
        f"eventos_stored_offset{{{labels}}} 4.0",
    ):
        assert line in exposed


@pytest.mark.proves(10)
async def test_a_consumer_to_which_no_record_comes_though_some_wait_ends_its_process(
    settings: Settings, connection: Connection, sponsor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever ails it: here one fetch is let through, and none after it."""
    fetch, fetched = ConsumerThread._fetch_records, list[Any]()

    async def one_fetch(thread: ConsumerThread, *args: Any, **options: Any) -> dict[TP, list[Any]]:
        if any(fetched):
            await asyncio.sleep(0.05)
            return {}
        fetched.append(await fetch(thread, *args, **options))
        return dict(fetched[-1])

    monkeypatch.setattr(ConsumerThread, "_fetch_records", one_fetch)
    await publish(settings, 0, notes(sponsor, 10))
    short = settings.model_copy(update={"watchdog_timeout": 1.0, "batch_records": 4})
    async with consuming_process(short) as (ended, _):
        with pytest.RaisesGroup(pytest.RaisesExc(StalledError, match="records wait, and none arrived for 1.0 s")):
            await asyncio.wait_for(ended, DEADLINE)

    assert await stored(connection) == {0: (4, 4, 0, 0)}


@pytest.mark.proves(11)
async def test_the_position_in_postgres_wins_over_the_groups_offsets(
    settings: Settings, connection: Connection, sponsor: str
) -> None:
    """At the start (the group has none, or wrong ones), and while it runs: what does not follow is read again."""
    name = SPONSOR_ACTIVITY.full_name(settings.topic_prefix)
    await publish(settings, 0, notes(sponsor, 10))
    await connection.execute("INSERT INTO stream_offsets VALUES ($1, $2, 0, 4)", SERVICE, name)
    async with consumer(settings):
        await until_stored(connection, {0: (10, 6, 0, 0)})

        await connection.execute("UPDATE stream_offsets SET next_offset = 2 WHERE partition = 0")
        await publish(settings, 0, notes(sponsor, 1))
        await until_stored(connection, {0: (11, 9, 6, 0)})

    await connection.execute("UPDATE stream_offsets SET next_offset = 0 WHERE partition = 0")
    async with consumer(settings):
        await until_stored(connection, {0: (11, 11, 15, 0)})


@pytest.mark.proves(11)
async def test_a_position_that_a_failover_took_back_is_read_from_again_although_nothing_more_comes(
    settings: Settings, connection: Connection, sponsor: str
) -> None:
    await publish(settings, 0, notes(sponsor, 5))
    async with consumer(settings):
        await until_stored(connection, {0: (5, 5, 0, 0)})
        await connection.execute("UPDATE stream_offsets SET next_offset = 2, applied = 2 WHERE partition = 0")
        await until_stored(connection, {0: (5, 2, 3, 0)})  # duplicates here, for their identities were kept


@pytest.mark.proves(15)
async def test_a_stopped_partition_waits_for_an_operator_while_others_go_on(
    settings: Settings, connection: Connection, sponsor: str
) -> None:
    limited = settings.model_copy(update={"refused_in_row_limit": 3})
    await publish(settings, 0, [b"{"] * 5)
    await publish(settings, 1, notes(sponsor, 3))
    async with consumer(limited):
        await until_stored(connection, {0: (3, 0, 0, 3), 1: (3, 3, 0, 0)})
        await publish(settings, 0, notes(sponsor, 2))
        await publish(settings, 1, notes(sponsor, 3))
        await until_stored(connection, {0: (3, 0, 0, 3), 1: (6, 6, 0, 0)})

        # The look whether somebody has resumed it outlives a database that goes away meanwhile.
        for _ in range(3):
            await terminate(connection, f"eventos-{SERVICE}")
        await connection.execute("UPDATE stream_offsets SET stopped_reason = NULL, refused_in_row = 0")
        await until_stored(connection, {0: (7, 2, 0, 5), 1: (6, 6, 0, 0)})


@pytest.mark.proves(4, 6)
async def test_a_claim_that_postgres_does_not_answer_is_made_later(
    settings: Settings, connection: Connection, sponsor: str
) -> None:
    hasty = settings.model_copy(update={"claim_timeout": 2.0})
    name = SPONSOR_ACTIVITY.full_name(settings.topic_prefix)
    await publish(settings, 0, notes(sponsor, 3))
    await connection.execute("INSERT INTO stream_offsets VALUES ($1, $2, 0, 0)", SERVICE, name)
    application = f"eventos-{SERVICE}"
    holder = await connect(settings.database_url.get_secret_value())
    holding = holder.transaction()
    await holding.start()
    await holder.execute("SELECT FROM stream_offsets FOR UPDATE")
    async with consumer(hasty) as metrics:
        await until_blocked(connection, application)
        await until_blocked(connection, application, blocked=False)
        await until_blocked(connection, application)
        await holding.rollback()
        await until_stored(connection, {0: (3, 3, 0, 0)})
        why = {"service": SERVICE, "kind": "TimeoutError"}
        postponed = metrics.registry.get_sample_value("eventos_claims_postponed_total", why)
    await holder.close()

    assert postponed


async def test_a_claim_that_is_not_allowed_ends_the_process(settings: Settings, connection: Connection) -> None:
    await connection.execute(f"REVOKE UPDATE ON stream_offsets FROM eventos_{SERVICE}")
    async with consuming_process(settings) as (ended, _):
        with pytest.RaisesGroup(pytest.RaisesExc(StalledError, match="InsufficientPrivilegeError")):
            await asyncio.wait_for(ended, DEADLINE)


@pytest.mark.proves(13)
async def test_a_topic_that_was_made_anew_stops_its_partitions(
    settings: Settings, connection: Connection, sponsor: str
) -> None:
    name = SPONSOR_ACTIVITY.full_name(settings.topic_prefix)
    await publish(settings, 0, notes(sponsor, 3))
    await connection.execute("INSERT INTO stream_offsets VALUES ($1, $2, 0, 100)", SERVICE, name)
    await publish(settings, 1, notes(sponsor, 1))
    async with consumer(settings):
        await until_stored(connection, {0: (100, 0, 0, 0), 1: (1, 1, 0, 0)})

    assert "beyond the end 3" in await connection.fetchval(
        "SELECT stopped_reason FROM stream_offsets WHERE partition = 0"
    )


@pytest.mark.proves(12)
@pytest.mark.parametrize("policy", ["stop", "continue"])
async def test_records_that_retention_ate_are_counted_and_the_policy_applied(
    settings: Settings, connection: Connection, sponsor: str, policy: str
) -> None:
    name = SPONSOR_ACTIVITY.full_name(settings.topic_prefix)
    await publish(settings, 0, notes(sponsor, 5))
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
    await admin.start()
    await admin.delete_records({TopicPartition(name, 0): RecordsToDelete(before_offset=3)})
    await admin.close()
    await connection.execute("INSERT INTO stream_offsets VALUES ($1, $2, 0, 1)", SERVICE, name)
    async with consumer(settings.model_copy(update={"retention_gap": policy})) as metrics:
        expected = (3, 0, 0, 0) if policy == "stop" else (5, 2, 0, 0)
        await until_stored(connection, {0: expected})
        assert metrics.registry.get_sample_value("eventos_offset_gap_records_total", {"service": SERVICE}) == 2

    reason = await connection.fetchval("SELECT stopped_reason FROM stream_offsets WHERE partition = 0")
    assert (reason is not None) is (policy == "stop")
