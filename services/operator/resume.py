"""`eventos resume TOPIC PARTITION`: go on with a stopped partition."""

import asyncio
from typing import Annotated

import typer
from aiokafka import TopicPartition

from contracts.topics import TOPICS
from services.operator import kafka_clients
from services.operator.output import WRONG_USAGE, Failure, note
from services.operator.surroundings import database, settings_of_command
from services.runtime.settings import Settings
from services.runtime.sql import load_queries

QUERIES = load_queries(__package__)


def resume(
    topic: Annotated[str, typer.Argument(help="The topic, with or without prefix.")],
    partition: Annotated[int, typer.Argument(min=0)],
) -> None:
    """Go on with a partition that was stopped; its service takes it up again within seconds.

    A partition stops when too many records in a row were refused, when a bug in a handler chokes on one record after
    the other, or when Kafka no longer has what comes next. `eventos status` shows the reason: mend that first. Where
    the topic was made anew, it goes on at the first record that the topic has.

    Example: `eventos resume ticket-sales 3`
    """
    settings = settings_of_command()
    name = topic.removeprefix(settings.topic_prefix)
    if name not in TOPICS:
        raise Failure(f"there is no topic {topic!r}", f"The topics are {', '.join(TOPICS)}.", code=WRONG_USAGE)
    reason = asyncio.run(_resume(settings, TOPICS[name].full_name(settings.topic_prefix), partition))
    if reason is None:
        raise Failure(f"{topic} {partition} is not stopped", remedy="`eventos status` shows what is.")
    note(f"{topic} {partition} goes on; it was stopped because: {reason}")


async def _resume(settings: Settings, topic: str, partition: int) -> str | None:
    """Clear the reason and return it; None where there was none. In a topic that was made anew, begin at its start."""
    async with kafka_clients.reader(settings) as reader, database(settings) as pool:
        ends = await reader.ends([topic])
        place = TopicPartition(topic, partition)
        if place not in ends:
            raise Failure(f"{topic} has no partition {partition}", f"It has {len(ends)}.", code=WRONG_USAGE)
        starts = await reader.starts([place])
        reason: str | None = await pool.fetchval(QUERIES["resume"], topic, partition, ends[place], starts[place])
    return reason
