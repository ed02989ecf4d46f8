"""Backlogs that differ from the usual one: other records, another number of partitions."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from random import Random

import orjson

from contracts.topics import PARTITIONS, SPONSOR_ACTIVITY
from services.operator.kafka_admin import admin, bring
from services.operator.kafka_clients import producer
from services.operator.topics import wanted_topic
from tests.benchmarks.lab import Backlog, Lab, send
from tests.benchmarks.workload import Workload

SERVICE = "sponsor_activity"
Record = tuple[bytes, bytes]


async def publish(
    lab: Lab, prefix: str, workload: Workload, records: Iterable[Record], *, partitions: int = PARTITIONS
) -> Backlog:
    """Publish these records, for which `workload` has the core rows, to a sponsor-activity of its own."""
    settings = lab.settings(prefix)
    async with admin(settings) as client:
        await bring(client, [replace(wanted_topic(SPONSOR_ACTIVITY, prefix), partitions=partitions)])
    name = SPONSOR_ACTIVITY.full_name(prefix)
    async with producer(settings) as client:
        total = await send(client, name, records)
    backlog = Backlog(workload, prefix, {SERVICE: total})
    lab.say(f"published {backlog.total:,} records to {name}")
    return backlog


def usual(workload: Workload, number: int) -> Iterator[Record]:
    """So many records of sponsor-activity, as the workload has them."""
    return workload.records(SPONSOR_ACTIVITY, number)


def padded(records: Iterable[Record], size: int) -> Iterator[Record]:
    """The records, each with a note in its metadata that makes it so many bytes long."""
    random = Random(size)
    for key, value in records:
        event = orjson.loads(value)
        length = max(0, size - len(value) - len('"note":"",'))
        event["data"]["metadata"] = {
            **(event["data"]["metadata"] or {}),
            "note": random.randbytes(length).hex()[:length],
        }
        yield key, orjson.dumps(event)
