"""Topics of a test's own, in the Kafka that all tests share."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from pydantic import SecretStr

from services.operator.topics import apply_topics
from services.runtime.settings import Settings
from tests.support.servers import Servers


@pytest.fixture(scope="session")
def kafka_bootstrap_servers(servers: Servers) -> str:
    """Address of the Kafka of this run."""
    return servers.kafka_bootstrap_servers


@pytest.fixture
async def topic_prefix(kafka_bootstrap_servers: str) -> AsyncIterator[str]:
    """A prefix for topics and groups that no other test has; topics made under it are deleted after the test."""
    prefix = f"test-{uuid4().hex[:12]}."
    yield prefix
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap_servers)
    await admin.start()
    try:
        if ours := [name for name in await admin.list_topics() if name.startswith(prefix)]:
            await admin.delete_topics(ours)
    finally:
        await admin.close()


@pytest.fixture
async def settings(kafka_bootstrap_servers: str, database_url: str, topic_prefix: str) -> Settings:
    """Settings of a service on the test's own database and topics; the topics are there."""
    settings = Settings(
        kafka_bootstrap_servers=kafka_bootstrap_servers,
        database_url=SecretStr(database_url),
        topic_prefix=topic_prefix,
        log_format="console",
    )
    await apply_topics(settings, replication_factor=1)
    return settings
