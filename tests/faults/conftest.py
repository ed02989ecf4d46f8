"""Where scenes are set: a stage on the test's own database and topics, and servers that may be broken."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.operator.topics import apply_topics
from services.runtime.settings import Settings
from tests.support.own_servers import OwnKafka, OwnPostgres, own_kafka, own_postgres
from tests.support.reliability import Tell
from tests.support.stage import Stage


@pytest.fixture
def stage(settings: Settings, tmp_path: Path, tell: Tell) -> Stage:
    """A stage on servers that all tests share."""
    return Stage(settings, tmp_path, tell)


@pytest.fixture
async def breakable_kafka() -> AsyncIterator[OwnKafka]:
    """A broker that no other test uses."""
    async with own_kafka() as made:
        yield made


@pytest.fixture
async def breakable_postgres() -> AsyncIterator[OwnPostgres]:
    """A Postgres that no other test uses."""
    async with own_postgres() as made:
        yield made


@pytest.fixture
async def stage_on_breakable_kafka(breakable_kafka: OwnKafka, database_url: str, tmp_path: Path, tell: Tell) -> Stage:
    """A stage whose broker may be broken."""
    settings = Settings(kafka_bootstrap_servers=breakable_kafka.bootstrap_servers, database_url=SecretStr(database_url))
    await apply_topics(settings, replication_factor=1)
    return Stage(settings, tmp_path, tell)


@pytest.fixture
def stage_on_breakable_postgres(
    settings: Settings, breakable_postgres: OwnPostgres, tmp_path: Path, tell: Tell
) -> Stage:
    """A stage whose database may be broken."""
    own = settings.model_copy(update={"database_url": SecretStr(breakable_postgres.url)})
    return Stage(own, tmp_path, tell)
