"""Whatever a record is, it ends in exactly one outcome, harms no neighbour, and is decoded in the time of its size."""

import asyncio
import json
import os
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from random import SystemRandom
from typing import Any
from uuid import UUID

import pytest

from contracts.envelope import Event, Refused, decode
from contracts.refusals import Reason
from contracts.topics import SPONSOR_ACTIVITY, Topic
from services.runtime import positions
from services.runtime.intake import Intake
from services.runtime.metrics import IntakeMetrics
from services.runtime.records import Record, RecordBatch, appended_at
from tests.support.hostile import Fuzz, neighbour
from tests.support.intake_model import LATEST
from tests.support.records import event, record
from tests.support.season import AS_OF, season
from tests.support.whole_system import HANDLERS, System

BATCH = 250
KNOWN = set(Reason) - {Reason.HANDLER_ERROR}
"""What a record can be refused for, if our own code does not choke on it."""


def mixed(topic: Topic, count: int, seed: int) -> tuple[list[Record], dict[int, str]]:
    """Records of one partition: fuzzed ones, each beside a plain valid one; and of those the offsets and ids."""
    made = season(0, 2000)
    valid = [json.loads(line["value"]) for line in made.records if line["topic"] == topic.name and _is_event(line)]
    fuzz = Fuzz(seed, topic, valid)
    sponsor, event_id = made.core["sponsors"][0]["id"], made.core["events"][0]["id"]
    records, neighbours = list[Record](), dict[int, str]()
    for number in range(count):
        sent = fuzz.record()
        odd = record(sent.value, topic=topic, offset=len(records), key=sent.key, headers=sent.headers)
        odd.timestamp = odd.timestamp if sent.stamp is None else sent.stamp
        records.append(odd)
        neighbours[len(records)] = f"{topic.name}-{number}"
        plain = neighbour(topic, neighbours[len(records)], sponsor, event_id)
        records.append(record(plain, topic=topic, offset=len(records)))
    return records, neighbours


def _is_event(line: dict[str, Any]) -> bool:
    try:
        value = json.loads(line["value"] or "")
    except (ValueError, RecursionError):
        return False
    return not line.get("headers") and isinstance(value, dict) and isinstance(value.get("data"), dict)


async def survive(system: System, count: int, seed: int) -> Counter[str]:
    """Feed `count` fuzzed records to each intake service; return how often each reason was given."""
    core = season(0, 2000).core
    await system.begin(core, AS_OF)
    reasons = Counter[str]()
    for service, (topic, handler) in HANDLERS.items():
        records, neighbours = mixed(topic, count, seed)
        name, metrics = topic.full_name("eventos."), IntakeMetrics(service)
        async with system.pools[service].acquire() as connection:
            await positions.claim(connection, service, name, {0: 0})
        intake = Intake(topic, handler, system.pools[service], system.settings, metrics, service=service)
        for start in range(0, len(records), BATCH):
            assert await intake.process([RecordBatch(0, records[start : start + BATCH], start)]) == set()
        reasons += await require_one_outcome_each(system, service, records, neighbours)
    await system.drain()
    assert await system.owner.fetchval("SELECT count(*) FROM parked_keys") == 0
    assert await system.owner.fetchval("SELECT count(*) FROM stale_marks") == 0
    return reasons


async def require_one_outcome_each(
    system: System, service: str, records: list[Record], neighbours: dict[int, str]
) -> Counter[str]:
    """Each record is applied, a duplicate or a dead letter; each plain one applied; each letter is its record."""
    owner = system.owner
    ledger = await owner.fetch("SELECT record_offset, source, id FROM processed_events WHERE service = $1", service)
    letters = await owner.fetch("SELECT * FROM dead_letters WHERE service = $1", service)
    stored = await owner.fetchrow(
        "SELECT next_offset, applied, duplicate, dead_lettered FROM stream_offsets WHERE service = $1", service
    )
    applied = {row["record_offset"]: row["id"] for row in ledger}
    refused = {row["record_offset"]: row for row in letters}
    assert not applied.keys() & refused.keys()
    duplicates = len(records) - len(applied) - len(refused)
    assert stored is not None
    assert tuple(stored) == (len(records), len(applied), duplicates, len(refused))
    assert {offset: applied.get(offset) for offset in neighbours} == neighbours
    assert not [offset for offset in applied if holds_nul(records[offset].value)]
    for offset, letter in refused.items():
        sent = records[offset]
        assert letter["reason"] in KNOWN, (letter["reason"], letter["detail"], sent.value)
        assert (letter["key"], letter["value"], letter["appended_at"]) == (sent.key, sent.value, appended_at(sent))
        assert letter["headers"] == [
            [name.replace("\0", "\N{REPLACEMENT CHARACTER}"), None if value is None else b64encode(value).decode()]
            for name, value in sent.headers
        ]
    return Counter(letter["reason"] for letter in letters)


def holds_nul(value: bytes | None) -> bool:
    """Whether some string or name of the JSON value holds U+0000, by a reader that keeps repeated names."""
    try:
        return any("\0" in text for text in _texts(json.loads(value or b"", object_pairs_hook=list)))
    except (ValueError, RecursionError):
        return False


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, list | tuple):
        for member in node:
            yield from _texts(member)


def run(database_url: str, count: int, seed: int) -> Counter[str]:
    """Do it all on a database of its own."""

    async def whole() -> Counter[str]:
        system = await System.on(database_url, AS_OF)
        try:
            return await survive(system, count, seed)
        finally:
            await system.close()

    return asyncio.run(whole())


def test_10_000_fuzzed_records_end_in_one_outcome_each_and_harm_no_neighbour(database_url: str) -> None:
    reasons = run(database_url, 3334, seed=2026)

    assert reasons.keys() >= KNOWN - {Reason.EVENT_ID_CONFLICT}, "the records are not as odd as they should be"


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_200_000_fuzzed_records_end_in_one_outcome_each(database_url: str) -> None:
    seed = int(os.environ.get("EVENTOS_TEST_SEED", SystemRandom().randrange(10**6)))
    print(f"seed {seed}: {run(database_url, 66_667, seed)}")


def _note(metadata: str) -> str:
    value = event(SPONSOR_ACTIVITY, "note_added", id="1", sponsor_id=str(UUID(int=1)), metadata={})
    return value.decode().replace("{}", metadata)


# Each takes a number of bytes and makes a value of about as many, of the kind on which some reader or other is slow.
SLOW: dict[str, Callable[[int], str]] = {
    "backslashes": lambda n: _note('{"a":"' + "\\\\" * (n // 2) + '"}'),
    "escaped quotes": lambda n: _note('{"a":"' + '\\"' * (n // 2) + '"}'),
    "escaped letters": lambda n: _note('{"a":"' + "\\u00e9" * (n // 6) + '"}'),
    "what is almost U+0000": lambda n: _note('{"a":"' + "\\\\u0000" * (n // 7) + '"}'),
    "one key many times": lambda n: _note("{" + ",".join(['"a":1'] * (n // 6)) + "}"),
    "many keys": lambda n: _note("{" + ",".join(f'"{i:05}":1' for i in range(n // 10)) + "}"),
    "many lists": lambda n: _note('{"a":[' + ",".join(["[]"] * (n // 3)) + "]}"),
    "lists inside lists": lambda n: _note('{"a":' + "[" * 240 + ",".join(["[]"] * (n // 3)) + "]" * 240 + "}"),
    "brackets in a string": lambda n: _note('{"a":["' + "[" * n + '"]}'),
    "integers beside a rounded one": lambda n: _note('{"a":[' + ",".join(["1"] * (n // 2)) + ",1e22]}"),
    "long integers": lambda n: _note('{"a":[' + ",".join(["1" * 300] * (n // 301)) + "]}"),
    "one endless integer": lambda n: _note('{"a":' + "9" * n + "}"),
    "one endless fraction": lambda n: _note('{"a":0.' + "1" * n + ',"b":1e22}'),
    "one endless exponent": lambda n: _note('{"a":1e' + "0" * n + "1}"),
    "endless digits of a second": lambda n: _note("{}").replace("00+00:00", "00." + "0" * n + "+00:00"),
    "an endless id": lambda n: _note("{}").replace(str(UUID(int=1)), "0" * n),
    "an endless type": lambda n: _note("{}").replace("note_added", "a." * (n // 2)),
    "lists that never end": lambda n: "[" * n,
    "objects that never end": lambda n: '{"a":' * (n // 5),
    "nothing but backslashes": lambda n: "\\" * n,
    "a string that never ends": lambda n: '"' + '\\"' * (n // 2),
    "spaces": lambda n: " " * n + "x",
}


def cpu_time(value: str) -> float:
    """Seconds of CPU that decoding takes, the best of several."""
    raw, best = value.encode(), float("inf")
    for _ in range(7):
        started = time.process_time_ns()
        decoded = decode(SPONSOR_ACTIVITY, raw, [], LATEST)
        best = min(best, time.process_time_ns() - started)
        assert isinstance(decoded, Event | Refused)
    return best / 1e9


@pytest.mark.parametrize("kind", SLOW)
def test_the_time_of_decoding_grows_as_the_record_does_and_stays_near_that_of_a_plain_one(kind: str) -> None:
    plain = cpu_time(_note('{"a":"' + "x" * 64_000 + '"}'))
    small, large = (cpu_time(SLOW[kind](size)) for size in (4_000, 64_000))

    # 16 times the size: linear is 16 and quadratic 256. What takes next to no time is not measured against itself.
    assert large < 80 * max(small, plain / 16)
    assert large < 400 * plain
