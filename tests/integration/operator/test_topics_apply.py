"""`topics apply` on a real Kafka."""

from pydantic import SecretStr

from contracts.topics import TICKET_SALES, TOPICS
from services.operator.kafka_admin import Wanted, admin, bring, existing_topics
from services.operator.topics import apply_topics
from services.runtime.settings import Settings


def settings_on(servers: str, prefix: str) -> Settings:
    return Settings(
        kafka_bootstrap_servers=servers, database_url=SecretStr("postgresql://unused/unused"), topic_prefix=prefix
    )


async def test_what_is_missing_is_created_as_declared_and_then_nothing_is_left_to_do(
    kafka_bootstrap_servers: str, topic_prefix: str
) -> None:
    settings = settings_on(kafka_bootstrap_servers, topic_prefix)

    assert len(await apply_topics(settings)) == len(TOPICS)
    assert await apply_topics(settings) == []


async def test_a_topic_that_drifted_is_mended_and_what_is_not_declared_stays(
    kafka_bootstrap_servers: str, topic_prefix: str
) -> None:
    settings, name = settings_on(kafka_bootstrap_servers, topic_prefix), TICKET_SALES.full_name(topic_prefix)
    async with admin(settings) as client:
        await bring(client, [Wanted(name, 3, {"retention.ms": "7", "segment.ms": "77777"})])
        changes = await apply_topics(settings)
        found = (await existing_topics(client, [name]))[name]

    assert {c.action for c in changes if c.topic == name} >= {"partitions", "retention.ms", "message.timestamp.type"}
    assert found.partitions == TICKET_SALES.partitions
    assert found.configs["retention.ms"] == str(TICKET_SALES.retention_ms)
    assert found.configs["segment.ms"] == "77777"


async def test_more_partitions_than_declared_are_left_alone(kafka_bootstrap_servers: str, topic_prefix: str) -> None:
    settings, name = settings_on(kafka_bootstrap_servers, topic_prefix), TICKET_SALES.full_name(topic_prefix)
    await apply_topics(settings)
    async with admin(settings) as client:
        await bring(client, [Wanted(name, 15, {})])
        assert await apply_topics(settings) == []
        assert (await existing_topics(client, [name]))[name].partitions == 15


async def test_a_dry_run_shows_the_difference_and_changes_nothing(
    kafka_bootstrap_servers: str, topic_prefix: str
) -> None:
    settings = settings_on(kafka_bootstrap_servers, topic_prefix)

    assert {change.action for change in await apply_topics(settings, dry_run=True)} == {"create"}
    async with admin(settings) as client:
        assert await existing_topics(client, [TICKET_SALES.full_name(topic_prefix)]) == {}
