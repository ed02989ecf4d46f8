"""What becomes of a topic while it is consumed: records go before they were read, the topic is made anew."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from pydantic import SecretStr

from contracts.topics import SPONSOR_ACTIVITY
from services.operator.topics import apply_topics
from services.runtime import positions
from services.runtime.database import Connection, fetch_one
from services.runtime.record_batches import Consumer
from services.runtime.settings import Settings
from tests.support.consuming import DEADLINE, SERVICE, consumer, notes, publish, until_stored
from tests.support.crm import add_sponsor
from tests.support.databases import connect
from tests.support.interleaving import until_blocked
from tests.support.proxy import proxy

_POSITION = "SELECT next_offset, applied, stopped_reason FROM stream_offsets WHERE partition = 0"


@asynccontextmanager
async def held_up(settings: Settings, connection: Connection) -> AsyncIterator[None]:
    """Keep the service from settling anything: it waits at its fence, with what it has fetched."""
    holder = await connect(settings.database_url.get_secret_value())
    async with holder.transaction():
        await holder.execute("SELECT FROM stream_offsets FOR UPDATE")
        yield
    await holder.close()


@asynccontextmanager
async def administrator(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def leave_gap(settings: Settings, connection: Connection) -> None:
    """Of five records the first is settled, and the two after it are gone."""
    name, sponsor = SPONSOR_ACTIVITY.full_name(settings.topic_prefix), await add_sponsor(connection)
    await publish(settings, 0, notes(sponsor, 5))
    async with administrator(settings) as admin:
        await admin.delete_records({TopicPartition(name, 0): RecordsToDelete(before_offset=3)})
    await connection.execute("INSERT INTO stream_offsets VALUES ($1, $2, 0, 1)", SERVICE, name)


@pytest.mark.proves(12)
@pytest.mark.parametrize("policy", ["stop", "continue"])
async def test_records_that_retention_eats_under_a_running_consumer_are_counted_and_the_policy_applied(
    settings: Settings, connection: Connection, policy: str
) -> None:
    name, sponsor = SPONSOR_ACTIVITY.full_name(settings.topic_prefix), await add_sponsor(connection)
    changed = settings.model_copy(update={"retention_gap": policy, "batch_records": 10})
    async with consumer(changed) as metrics:
        await publish(settings, 0, notes(sponsor, 5))
        await until_stored(connection, {0: (5, 5, 0, 0)})
        async with held_up(settings, connection):
            await publish(settings, 0, notes(sponsor, 1))
            await until_blocked(connection, f"eventos-{SERVICE}")
            for _ in range(20):  # more than there is room for: 8 KiB each, of which a fetch has 1 MiB at most
                await publish(settings, 0, notes(sponsor, 20, metadata={"note": "x" * 8192}))
            async with administrator(settings) as admin:
                await admin.delete_records({TopicPartition(name, 0): RecordsToDelete(before_offset=400)})
            await publish(settings, 0, notes(sponsor, 1))

        deadline, gap, settled = time.monotonic() + DEADLINE, None, False
        while not gap or not settled:  # the gap is counted once the position is committed
            row = await fetch_one(connection, _POSITION)
            settled = row["stopped_reason"] is not None if policy == "stop" else row["next_offset"] == 407
            gap = metrics.registry.get_sample_value("eventos_offset_gap_records_total", {"service": SERVICE})
            assert time.monotonic() < deadline, row
        assert row["applied"] == row["next_offset"] - gap


@pytest.mark.proves(13)
async def test_a_topic_that_is_made_anew_under_a_running_consumer_stops_its_partitions(
    settings: Settings, connection: Connection
) -> None:
    name, sponsor = SPONSOR_ACTIVITY.full_name(settings.topic_prefix), await add_sponsor(connection)
    async with consumer(settings):
        await publish(settings, 0, notes(sponsor, 20))
        await until_stored(connection, {0: (20, 20, 0, 0)})
        async with administrator(settings) as admin:
            await admin.delete_topics([name])
        await apply_topics(settings, replication_factor=1)
        await publish(settings, 0, notes(sponsor, 5))

        deadline = time.monotonic() + DEADLINE
        while (row := await connection.fetchrow(_POSITION)) is None or row["stopped_reason"] is None:
            assert time.monotonic() < deadline, row
        assert "made anew" in row["stopped_reason"]


@pytest.mark.proves(13)
async def test_a_position_that_moves_past_the_end_while_it_is_claimed_is_no_topic_made_anew(
    settings: Settings, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end is asked for, a record comes and is settled by who had the partition, and then the position is read."""
    name, sponsor = SPONSOR_ACTIVITY.full_name(settings.topic_prefix), await add_sponsor(connection)
    await publish(settings, 0, notes(sponsor, 5))
    await connection.execute("INSERT INTO stream_offsets VALUES ($1, $2, 0, 5)", SERVICE, name)
    ask, asked = Consumer.highwaters, 0

    async def before_the_last_record_came(self: Consumer, *partitions: Any) -> Any:
        nonlocal asked
        asked += 1
        ends = await ask(self, *partitions)
        return {tp: 4 if asked == 1 and tp.partition == 0 else end for tp, end in ends.items()}

    monkeypatch.setattr(Consumer, "highwaters", before_the_last_record_came)
    async with consumer(settings):
        await publish(settings, 0, notes(sponsor, 1))
        deadline = time.monotonic() + DEADLINE
        while (row := await fetch_one(connection, _POSITION))["next_offset"] < 6:
            assert row["stopped_reason"] is None and time.monotonic() < deadline, row
    assert asked > 1


@pytest.mark.proves(12)
async def test_what_is_settled_while_a_gap_is_found_is_not_counted_as_gone(
    settings: Settings, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody settles the first of two missing records between the look at the position and its move."""
    await leave_gap(settings, connection)
    other, observer = [await connect(settings.database_url.get_secret_value()) for _ in range(2)]
    settling = list[asyncio.Task[str]]()
    skip = positions.skip_gap

    async def meanwhile(*arguments: Any) -> None:
        assert not settling, "the claim was given up and made again"
        settling.append(asyncio.create_task(other.execute(_SETTLE_ONE)))
        pid = other.get_server_pid()
        while not settling[0].done() and not await observer.fetchval(
            "SELECT cardinality(pg_blocking_pids($1)) > 0", pid
        ):
            pass
        await skip(*arguments)

    monkeypatch.setattr(positions, "skip_gap", meanwhile)
    async with consumer(settings.model_copy(update={"retention_gap": "continue"})) as metrics:
        deadline = time.monotonic() + DEADLINE
        while (row := await connection.fetchrow(_POSITION)) is None or row["next_offset"] < 5:
            assert time.monotonic() < deadline, row
        gap = metrics.registry.get_sample_value("eventos_offset_gap_records_total", {"service": SERVICE})
    await settling[0]
    await asyncio.gather(other.close(), observer.close())

    assert row["applied"] + (gap or 0) == 5 - 1


@pytest.mark.proves(12)
async def test_a_gap_is_told_of_although_the_answer_to_its_commit_is_lost(
    settings: Settings, connection: Connection
) -> None:
    """The claim that is made again finds the position past the gap, as if there had never been one."""
    await leave_gap(settings, connection)
    url = settings.database_url.get_secret_value()
    async with proxy(url) as between:
        between.cut_at_commits("after")
        changed = {"retention_gap": "continue", "database_url": SecretStr(between.url(url))}
        async with consumer(settings.model_copy(update=changed)) as metrics:
            await until_stored(connection, {0: (5, 2, 0, 0)})
            gap = metrics.registry.get_sample_value("eventos_offset_gap_records_total", {"service": SERVICE})
        assert between.commits_to_cut == 0

    assert gap == 2


_SETTLE_ONE = "UPDATE stream_offsets SET next_offset = 2, applied = applied + 1 WHERE partition = 0 AND next_offset < 2"
