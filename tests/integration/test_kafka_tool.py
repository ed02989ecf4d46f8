import asyncio
import os
import subprocess
from pathlib import Path

from aiokafka import AIOKafkaConsumer

from contracts.topics import SPONSOR_ACTIVITY
from services.runtime.settings import Settings

KAFKA_TOOL = Path(__file__).parents[2] / "infra/local/kafka-tool"


def produce(servers: str, topic: str, lines: str) -> None:
    separator = ["--reader-property", "parse.key=true", "--reader-property", "key.separator=|"]
    subprocess.run(
        [KAFKA_TOOL, "console-producer", "--topic", topic, *separator],
        input=lines.encode(),
        env={**os.environ, "EVENTOS_KAFKA_BOOTSTRAP_SERVERS": servers},
        check=True,
    )


async def test_kafkas_own_console_producer_publishes_keys_and_values(settings: Settings) -> None:
    topic = SPONSOR_ACTIVITY.full_name(settings.topic_prefix)
    await asyncio.to_thread(produce, settings.kafka_bootstrap_servers, topic, 'sponsor-1|{"n": 1}\n')
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=settings.kafka_bootstrap_servers, auto_offset_reset="earliest")
    async with consumer:
        record = await consumer.getone()
    assert (record.key, record.value) == (b"sponsor-1", b'{"n": 1}')


def test_a_kafka_tool_that_nobody_knows_is_wrong_usage() -> None:
    done = subprocess.run([KAFKA_TOOL, "fax"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "console-producer" in done.stderr
