"""All services at work on a test's own database and topics: whole processes, real records, and what can be seen."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiokafka import AIOKafkaProducer, ConsumerRecord
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from contracts.topics import TOPICS, Topic
from services.operator import kafka_clients
from services.operator.core_rows import load_core
from services.operator.idle import wait_idle
from services.operator.lines import Record, read_record
from services.operator.processes import SERVICES, Child, Fleet
from services.operator.publish import send_all
from services.operator.standing import INTAKE_TOPICS, Standing
from services.operator.state import dump_state
from services.operator.surroundings import database, private_environment
from services.runtime.database import Pool
from services.runtime.settings import Settings

Balance = dict[tuple[str, int], tuple[int, int, int]]
"""(service, partition) → records applied, duplicate and dead-lettered."""
_REBALANCED = 60.0


@dataclass(frozen=True)
class Held:
    """A record that Kafka holds: its value as it stands, and the whole of it in the form of a line of records.jsonl."""

    raw: bytes | None
    record: Mapping[str, Any]


@dataclass(frozen=True)
class Running:
    """The services while they run, and clients to look at what they do."""

    settings: Settings
    fleet: Fleet
    pool: Pool
    reader: kafka_clients.Reader
    producer: AIOKafkaProducer

    async def publish(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Publish records, in the form of a line of records.jsonl each, in their order."""
        async for _ in send_all(self.producer, map(_record, records), self.settings.topic_prefix):
            pass

    async def settle(self, *, patience: float = 120.0) -> Standing:
        """Wait until nothing is left to do. Raises Failure when a service has ended, or nothing moves any more."""
        try:
            return await wait_idle(
                self.settings, self.pool, self.reader, watch=lambda _: self.fleet.require_alive(), patience=patience
            )
        except Exception as error:
            error.add_note(self.fleet.tails(5))
            raise

    async def state(self) -> dict[str, Any]:
        """The state in the form of a conformance set's expected.json."""
        async with self.pool.acquire() as connection:
            return await dump_state(connection, self.reader, self.settings)

    async def published(self) -> dict[tuple[str, int], int]:
        """(service, partition) → how many records its topic has."""
        topics = {topic.full_name(self.settings.topic_prefix): service for service, topic in INTAKE_TOPICS.items()}
        return {(topics[tp.topic], tp.partition): end for tp, end in (await self.reader.ends(list(topics))).items()}

    async def records(self) -> dict[tuple[str, int, int], Held]:
        """(topic, partition, offset) → the record that Kafka holds there, for all that intake services consume."""
        found: dict[tuple[str, int, int], Held] = {}
        for topic in INTAKE_TOPICS.values():
            for record in await self.read(topic):
                line = line_of(Record(topic, record.key, record.value, tuple(record.headers)))
                found[topic.name, record.partition, record.offset] = Held(record.value, line)
        return found

    async def read(self, topic: Topic) -> list[ConsumerRecord[bytes, bytes]]:
        """All committed records of a topic, those of one partition in their order."""
        ends = await self.reader.ends([topic.full_name(self.settings.topic_prefix)])
        consumer = self.reader.consumer
        consumer.assign(list(ends))
        await consumer.seek_to_beginning(*ends)
        found: list[ConsumerRecord[bytes, bytes]] = []
        while [tp for tp, end in ends.items() if await consumer.position(tp) < end]:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                found += records
        return found

    async def balance_in_database(self) -> Balance:
        """What the positions say."""
        async with self.pool.acquire() as connection:
            rows = await connection.fetch(
                "SELECT * FROM stream_offsets WHERE service NOT LIKE 'replay:%' ORDER BY service, partition"
            )
        return {
            (row["service"], row["partition"]): (row["applied"], row["duplicate"], row["dead_lettered"]) for row in rows
        }

    async def balance_in_metrics(self) -> list[tuple[tuple[str, int], tuple[int, int, int]]]:
        """What /metrics of the intake processes say, each for the partitions that it owns."""
        told = []
        for child in self.fleet.children:
            found: dict[tuple[str, int], Counter[str]] = {}
            for sample in await self.samples(child, "eventos_records_consumed"):
                place = sample.labels["service"], int(sample.labels["partition"])
                found.setdefault(place, Counter())[sample.labels["outcome"]] = int(sample.value)
            told += [(place, (n["applied"], n["duplicate"], n["dead_lettered"])) for place, n in found.items()]
        return sorted(told)

    async def samples(self, child: Child, metric: str) -> Sequence[Any]:
        """What a process says of one metric on its /metrics."""
        async with aiohttp.ClientSession() as client, client.get(f"{address(child)}/metrics") as response:
            text = await response.text()
        families = {family.name: family for family in text_string_to_metric_families(text)}
        return families[metric].samples if metric in families else []

    async def require_balance(self, beside: Mapping[tuple[str, int], int] | None = None) -> None:
        """Raise AssertionError unless each record was settled once, by the database's account and by the metrics'.

        `beside` is how many more, or fewer, were settled than the topics' ends say: of a topic that is no more.
        Of each partition one process must tell; while they share partitions anew, it may be none for some seconds.
        """
        published, stored = await self.published(), await self.balance_in_database()
        expected = {place: count + (beside or {}).get(place, 0) for place, count in published.items()}
        assert {place: sum(counts) for place, counts in stored.items()} == expected
        try:
            async with asyncio.timeout(_REBALANCED):
                while (told := await self.balance_in_metrics()) != sorted(stored.items()):  # noqa: ASYNC110
                    await asyncio.sleep(0.25)
        except TimeoutError:
            assert told == sorted(stored.items())


@asynccontextmanager
async def running(
    settings: Settings, logs: Path, core: Mapping[str, Any], *, replicas: int = 1, services: Iterable[str] = SERVICES,
    waiting: Iterable[Mapping[str, Any]] = (), on: Mapping[str, str] | None = None,
) -> AsyncIterator[Running]:  # fmt: skip
    """Load core rows, publish what is `waiting`, start the services; at the end stop them. The topics must exist.

    `on` is what the services' environment has besides the settings, or instead of them.
    """
    settings = settings.model_copy(update={"log_format": "json"})
    async with database(settings, as_owner=True) as owner, owner.acquire() as connection:
        await load_core(connection, core)
    with private_environment({**environment(settings), **(on or {})}):
        fleet = Fleet({}, logs, services=services, replicas=replicas)
    async with (
        database(settings) as pool,
        kafka_clients.reader(settings) as reader,
        kafka_clients.producer(settings) as producer,
    ):
        await reader.ends([topic.full_name(settings.topic_prefix) for topic in TOPICS.values()])
        made = Running(settings, fleet, pool, reader, producer)
        await made.publish(waiting)
        async with fleet:
            yield made


def environment(settings: Settings) -> dict[str, str]:
    """The environment that makes these settings."""
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    plain = {k: v.get_secret_value() if isinstance(v, SecretStr) else v for k, v in given.items() if v is not None}
    return {f"EVENTOS_{name.upper()}": str(value) for name, value in plain.items()}


def address(child: Child) -> str:
    """Where a process serves its pages, as it says in its log when it starts."""
    return addresses(child)[-1]


def addresses(child: Child) -> list[str]:
    """The same of all processes that it has been, one after the other."""
    lines = child.log.read_text("utf-8").splitlines()
    return [json.loads(line)["address"] for line in lines if '"serving"' in line]


def _record(line: Mapping[str, Any]) -> Record:
    return read_record(json.dumps(line).encode())


def line_of(record: Record) -> dict[str, Any]:
    """A record in the form of a line of records.jsonl."""
    line: dict[str, Any] = {"topic": record.topic.name, "key": _text(record.key), "value": _text(record.value)}
    if record.headers:
        line["headers"] = {name: _text(value) for name, value in record.headers}
    return line


def _text(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:  # as invalid as before, which is all that matters
        return None if value is None else value.decode("utf-8", "surrogateescape")
