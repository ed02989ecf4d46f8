import asyncio
import os
import subprocess
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer

from contracts.topics import SPONSOR_ACTIVITY
from services.runtime.settings import Settings

KAFKA_TOOL = Path(__file__).parents[2] / "infra/local/kafka-tool"


def produce(servers: str, topic: str, lines: str, *options: str) -> None:
    separator = ["--reader-property", "parse.key=true", "--reader-property", "key.separator=|"]
    subprocess.run(
        [KAFKA_TOOL, "console-producer", "--topic", topic, *separator, *options],
        input=lines.encode(),
        env={**os.environ, "EVENTOS_KAFKA_BOOTSTRAP_SERVERS": servers},
        check=True,
    )


async def published(settings: Settings, *options: str) -> tuple[bytes, bytes]:
    """Publish one record with Kafka's own producer, and return its key and value as a service's client reads them."""
    topic = SPONSOR_ACTIVITY.full_name(settings.topic_prefix)
    await asyncio.to_thread(produce, settings.kafka_bootstrap_servers, topic, 'sponsor-1|{"n": 1}\n', *options)
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=settings.kafka_bootstrap_servers, auto_offset_reset="earliest")
    async with consumer:
        record = await consumer.getone()
    return record.key, record.value


async def test_kafkas_own_console_producer_publishes_keys_and_values(settings: Settings) -> None:
    assert await published(settings) == (b"sponsor-1", b'{"n": 1}')


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_whatever_a_publisher_compresses_with_is_read(settings: Settings, codec: str) -> None:
    """A batch that cannot be read would end the service that consumes its partition, again and again."""
    assert await published(settings, "--compression-codec", codec) == (b"sponsor-1", b'{"n": 1}')


def test_a_kafka_tool_that_nobody_knows_is_wrong_usage() -> None:
    done = subprocess.run([KAFKA_TOOL, "fax"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "console-producer" in done.stderr
