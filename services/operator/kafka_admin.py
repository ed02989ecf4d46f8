"""What the command line asks of Kafka's admin protocol: topics as they are, and bringing them to what is declared."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from services.operator.output import Failure
from services.runtime.kafka import client_options, start
from services.runtime.settings import Settings

_SET_ON_THE_TOPIC = 1
"""`config_source` of a value that was set on the topic itself, as opposed to the broker's default."""
_PATIENCE = 30.0
"""Seconds that brokers have to learn of a change."""


@dataclass(frozen=True, slots=True)
class Existing:
    """A topic as Kafka has it: `configs` holds the effective value of every option, `own` those set on the topic.

    `leaderless` is how many of the partitions cannot be read or written at the moment.
    """

    partitions: int
    leaderless: int
    configs: Mapping[str, str]
    own: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A topic as the code declares it, under its full name."""

    name: str
    partitions: int
    configs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between what is declared and what Kafka has, and how the topic will be afterwards."""

    topic: str
    action: str
    before: str
    after: str
    wanted: Wanted
    existing: Existing | None


@asynccontextmanager
async def admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """Open an admin client for the time of a command."""
    client = AIOKafkaAdminClient(**client_options(settings), request_timeout_ms=15_000)
    try:
        await start(client, settings)
        yield client
    finally:
        await client.close()


async def existing_topics(client: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, Existing]:
    """Read those of the topics that exist, with all their options. Raises KafkaError."""
    known = set(await client.list_topics())
    present = [name for name in names if name in known]
    if not present:
        return {}
    described: Any = await client.describe_topics(present)
    parts = {topic["topic"]: topic["partitions"] for topic in described}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in present]
    found: dict[str, Existing] = {}
    for response in await client.describe_configs(resources):
        for code, message, _, name, entries in response.resources:
            if code:
                raise for_code(code)(message)
            effective = {entry[0]: str(entry[1]) for entry in entries}
            own = {entry[0]: str(entry[1]) for entry in entries if entry[3] == _SET_ON_THE_TOPIC}
            leaderless = sum(part["leader"] < 0 or part["error_code"] != 0 for part in parts[name])
            found[name] = Existing(len(parts[name]), leaderless, effective, own)
    return found


def differences(wanted: Iterable[Wanted], existing: Mapping[str, Existing]) -> list[Change]:
    """Say what has to change. Nothing is ever deleted, and partitions are never fewer."""
    changes = []
    for topic in wanted:
        have = existing.get(topic.name)
        if have is None:
            options = ", ".join(f"{name}={value}" for name, value in sorted(topic.configs.items()))
            after = f"{topic.partitions} partitions, {options}"
            changes.append(Change(topic.name, "create", "–", after, topic, None))
            continue
        if have.partitions < topic.partitions:
            before, after = str(have.partitions), str(topic.partitions)
            changes.append(Change(topic.name, "partitions", before, after, topic, have))
        for name, value in sorted(topic.configs.items()):
            if have.configs.get(name) != value:
                before = have.configs.get(name, "–")
                changes.append(Change(topic.name, name, before, value, topic, have))
    return changes


async def bring(
    client: AIOKafkaAdminClient, wanted: Sequence[Wanted], *, replication_factor: int = -1, dry_run: bool = False
) -> list[Change]:
    """Bring topics to what is wanted, and wait until brokers know; returns the differences that there were.

    Looks again after each change, for brokers hear of changes a moment later, and others may be at it too. Raises
    Failure where Kafka refuses a change, what was done before it stays done; KafkaError.
    """
    loop, found, asked = asyncio.get_running_loop(), list[Change](), set[tuple[str, str]]()
    deadline = loop.time() + _PATIENCE
    while True:
        existing = await existing_topics(client, [topic.name for topic in wanted])
        changes = differences(wanted, existing)
        found = found or changes
        if dry_run or not (changes or any(topic.leaderless for topic in existing.values())):
            return found
        if new := [change for change in changes if (change.topic, change.action) not in asked]:
            await _apply(client, new, replication_factor)
            asked.update((change.topic, change.action) for change in new)
        elif loop.time() > deadline:
            left = ", ".join(sorted({change.topic for change in changes})) or "partitions without a leader"
            raise Failure(f"Kafka was asked for changes, and {_PATIENCE:.0f} s later has not made them all", left)
        await asyncio.sleep(0.1)


async def _apply(client: AIOKafkaAdminClient, changes: Sequence[Change], replication_factor: int) -> None:
    create = [change.wanted for change in changes if change.existing is None]
    if create:
        response = await client.create_topics([_new(topic, replication_factor) for topic in create])
        for name, code, *message in response.topic_errors:
            if code and for_code(code) is not TopicAlreadyExistsError:
                why = message[0] if message and message[0] else for_code(code).__name__
                raise Failure(f"Kafka did not create {name}", why, _REMEDY.get(code, ""))
    grow = {c.topic: NewPartitions(c.wanted.partitions) for c in changes if c.action == "partitions"}
    if grow:
        await client.create_partitions(grow)
    alter = {c.topic: c for c in changes if c.existing is not None and c.action != "partitions"}
    if alter:
        await _alter(client, alter.values())


def _new(topic: Wanted, replication_factor: int) -> NewTopic:
    """A topic to be made. aiokafka takes -1, the broker's default, only beside an (empty) assignment."""
    assignments: dict[int, list[int]] | None = {} if replication_factor == -1 else None
    return NewTopic(topic.name, topic.partitions, replication_factor, assignments, dict(topic.configs))


async def _alter(client: AIOKafkaAdminClient, changes: Iterable[Change]) -> None:
    """Set options. The request replaces all of a topic's own options, so those that we do not declare go along."""
    resources = [
        ConfigResource(
            ConfigResourceType.TOPIC,
            change.topic,
            {**(change.existing.own if change.existing else {}), **change.wanted.configs},
        )
        for change in changes
    ]
    for response in await client.alter_configs(resources):
        for code, message, _, name in response.resources:
            if code:
                raise Failure(f"Kafka did not alter {name}", message or for_code(code).__name__)


_REMEDY = {38: "There are fewer brokers than copies asked for: give a lower --replication-factor."}
