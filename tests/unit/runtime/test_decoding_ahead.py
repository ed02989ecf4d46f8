"""Decoding ahead leaves the loop to what Postgres has answered, and decodes what came, in order."""

import asyncio
from typing import cast
from uuid import UUID

from pydantic import SecretStr

from contracts.envelope import Event, Refused
from contracts.topics import SPONSOR_ACTIVITY
from services.runtime.database import Pool
from services.runtime.intake import DECODED_AT_ONCE, Intake
from services.runtime.metrics import IntakeMetrics
from services.runtime.records import RecordBatch
from services.runtime.settings import Settings
from services.sponsor_activity.app import SponsorActivity
from tests.support import records


def intake() -> Intake:
    settings = Settings(kafka_bootstrap_servers="unused:9092", database_url=SecretStr("postgresql://unused"))
    nowhere = cast(Pool, None)
    return Intake(
        SPONSOR_ACTIVITY, SponsorActivity(), nowhere, settings, IntakeMetrics("any"), service="sponsor_activity"
    )


def batch_of(number: int) -> RecordBatch:
    values = [
        records.event(SPONSOR_ACTIVITY, "note_added", id=str(n), sponsor_id=str(UUID(int=1))) for n in range(number)
    ]
    values[number // 2] = b"no JSON"
    return records.batch(2, 7, *values)


async def test_while_many_records_are_decoded_others_have_their_turns() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await intake().decode(batch_of(10 * DECODED_AT_ONCE))
    counting.cancel()

    assert turns >= 9


async def test_what_is_decoded_in_pieces_is_the_whole_batch_in_order() -> None:
    fetched = batch_of(2 * DECODED_AT_ONCE + 3)

    decoded = await intake().decode(fetched)

    assert [item.record for item in decoded.items] == list(fetched.records)
    middle = len(fetched.records) // 2
    assert [at for at, item in enumerate(decoded.items) if isinstance(item.decoded, Refused)] == [middle]
    assert all(
        isinstance(item.decoded, Event) and item.decoded.id == str(at)
        for at, item in enumerate(decoded.items)
        if at != middle
    )
