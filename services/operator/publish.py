"""`eventos publish FILE`: validate a file of events, then publish it."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Annotated

import typer
from aiokafka import AIOKafkaProducer

from services.operator import kafka_clients
from services.operator.check import told
from services.operator.lines import Record
from services.operator.output import Failure, err, note, print_json, progress
from services.operator.surroundings import settings_of_command
from services.operator.verdicts import Verdict, judge_file
from services.runtime.settings import Settings

_IN_FLIGHT = 5000
_SHOWN = 50
"""Refused lines that are printed; `eventos check` prints them all."""


def publish(
    file: Annotated[Path, typer.Argument(help="JSONL; see below.")],
    rate: Annotated[float | None, typer.Option(min=0.001, help="Records per second at most.")] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Publish the good lines of a file with bad ones.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Validate every line of a JSONL file against the contracts, then publish the records in their order.

    A line is a record, `{"topic": …, "value": …, "key"?, "headers"?}`, or a CloudEvents event by itself, whose topic
    follows from its type. Without a key, the topic's partition key is taken. If any line is bad, they are listed with
    their numbers and nothing is published, unless --skip-bad is given.

    Examples: `eventos publish events.jsonl` · `eventos publish history.jsonl --rate 500 --skip-bad`
    """
    settings = settings_of_command()
    good, refused = _count(judge_file(file, settings.as_of))
    if refused and not skip_bad:
        what = f"{len(refused)} of {good + len(refused)} lines of {file} are bad; nothing was published"
        raise Failure(what, remedy="Mend them, or publish the others with --skip-bad.")
    records = (v.record for v in judge_file(file, settings.as_of) if v.accepted and v.record is not None)
    asyncio.run(_publish_with_bar(settings, records, good, rate))
    if as_json:
        print_json({"published": good, "skipped": len(refused)})
    else:
        note(f"published {good} records" + (f", skipped {len(refused)} bad lines" if refused else ""))


def _count(verdicts: Iterable[Verdict]) -> tuple[int, list[int]]:
    """Count the good lines and list the numbers of the bad ones, which are shown as they are found."""
    good, refused = 0, list[int]()
    for verdict in verdicts:
        if verdict.accepted:
            good += 1
            continue
        refused.append(verdict.line)
        if len(refused) <= _SHOWN:
            err().print(told(verdict), soft_wrap=True)
    if len(refused) > _SHOWN:
        note(f"… and {len(refused) - _SHOWN} more: `eventos check --refused-only` lists them all")
    return good, refused


async def _publish_with_bar(settings: Settings, records: Iterable[Record], total: int, rate: float | None) -> None:
    async with kafka_clients.producer(settings) as producer:
        with progress() as bar:
            task = bar.add_task("publishing", total=total)
            async for sent in send_all(producer, records, settings.topic_prefix, rate=rate):
                bar.update(task, completed=sent)


async def send_all(
    producer: AIOKafkaProducer, records: Iterable[Record], prefix: str, *, rate: float | None = None
) -> AsyncIterator[int]:
    """Send records in their order, at most `rate` a second; yields how many Kafka has acknowledged.

    Records of one key keep their order, and so do those without one: they all go to partition 0. Raises KafkaError.
    """
    loop = asyncio.get_running_loop()
    started, acknowledged = loop.time(), 0
    waiting: list[asyncio.Future[object]] = []
    for number, record in enumerate(records):
        if rate is not None and (pause := started + number / rate - loop.time()) > 0:
            await asyncio.gather(*waiting)
            acknowledged, waiting = acknowledged + len(waiting), []
            yield acknowledged
            await asyncio.sleep(pause)
        waiting.append(await send(producer, record, prefix))
        if len(waiting) >= _IN_FLIGHT:
            await asyncio.gather(*waiting)
            acknowledged, waiting = acknowledged + len(waiting), []
            yield acknowledged
    await asyncio.gather(*waiting)
    yield acknowledged + len(waiting)


async def send(producer: AIOKafkaProducer, record: Record, prefix: str) -> "asyncio.Future[object]":
    """Hand one record to the producer; the future is done when Kafka has it."""
    future: asyncio.Future[object] = await producer.send(
        record.topic.full_name(prefix),
        record.value,
        key=record.key,
        headers=list(record.headers),
        partition=0 if record.key is None else None,
    )
    return future
