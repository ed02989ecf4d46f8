"""A process killed at each statement of a batch in turn: all of the batch is there afterwards, or nothing of it."""

from itertools import count
from typing import cast

import pytest

from contracts.topics import SPONSOR_ACTIVITY
from services.runtime.database import Connection, Pool
from services.runtime.intake import Intake
from services.runtime.metrics import IntakeMetrics
from services.sponsor_activity.app import SponsorActivity
from tests.support.crm import add_sponsor
from tests.support.intakes import Bench, bench, stored
from tests.support.interrupted import Interrupted, Interruption, Killed, Kind
from tests.support.records import batch, event

SERVICE = "sponsor_activity"
STATEMENTS = 7
"""A batch has that many at least."""


@pytest.mark.proves(1)
@pytest.mark.parametrize("after", [False, True], ids=["before it", "after it"])
async def test_a_process_killed_at_any_statement_of_a_batch_leaves_all_of_it_or_nothing(
    connection: Connection, database_url: str, *, after: bool
) -> None:
    """Each time another process goes on where the position says, until there is no statement left to be killed at."""
    sponsor = await add_sponsor(connection)
    async with bench(database_url, SponsorActivity()) as it:
        for at in count():
            visits = [event(SPONSOR_ACTIVITY, "website_visited", sponsor_id=sponsor) for _ in range(3)]
            values = [*visits, b"{"]
            pool = Interrupted(it.pool, cast(Pool, connection), Interruption(Kind.KILL, at, after))
            try:
                await _intake(it, pool).process([batch(0, 4 * at, *values)])
            except Killed:
                assert await _whole_batches(connection) in (at, at + 1)
            else:
                break
            await it.process(batch(0, 4 * at, *values))
            assert await _whole_batches(connection) == at + 1

    assert at >= STATEMENTS


def _intake(it: Bench, pool: Interrupted) -> Intake:
    """One whose connections meet an interruption."""
    made, metrics = it.intake, IntakeMetrics(SERVICE)
    return Intake(SPONSOR_ACTIVITY, SponsorActivity(), cast(Pool, pool), made._settings, metrics, service=SERVICE)


async def _whole_batches(connection: Connection) -> int:
    """How many batches are settled, of three visits and a refusal each; all that is stored must say so alike."""
    settled = await stored(connection)
    done = settled[0][0] // 4 if settled else 0
    assert settled == ({0: (4 * done, 3 * done, 0, done)} if done else {})
    counts = await connection.fetchrow(
        "SELECT (SELECT count(*) FROM sponsor_activities), (SELECT coalesce(sum(n), 0) FROM lead_signals),"
        " (SELECT count(*) FROM processed_events), (SELECT count(*) FROM dead_letters), (SELECT count(*) FROM outbox)"
    )
    assert counts is not None
    assert tuple(counts) == (3 * done, 3 * done, 3 * done, done, done)
    return done
