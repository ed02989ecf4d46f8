"""The ledger: an identity is applied once, wherever and however often it comes; other content does not take it."""

import asyncio
from typing import Any

import pytest

from contracts.topics import EMAIL_ENGAGEMENT, SPONSOR_ACTIVITY, TICKET_SALES
from services.email_engagement.app import EmailEngagement
from services.runtime.database import Connection
from services.sponsor_activity.app import SponsorActivity
from services.ticket_sales.app import TicketSales
from tests.support.crm import add_event, add_sponsor
from tests.support.intakes import Bench, Held, bench, stored
from tests.support.interleaving import until_blocked
from tests.support.records import batch, event

pytestmark = pytest.mark.proves(19, 28)

ONCE = (1, 1, 0, 0)
AGAIN = (1, 0, 1, 0)
REFUSED = (1, 0, 0, 1)


@pytest.fixture
async def sponsor(connection: Connection) -> str:
    return await add_sponsor(connection)


def note(sponsor: str, **data: Any) -> bytes:
    return event(SPONSOR_ACTIVITY, "note_added", id="one", sponsor_id=sponsor, **data)


async def letters(connection: Connection) -> list[tuple[Any, ...]]:
    rows = await connection.fetch(
        "SELECT partition, record_offset, reason, status FROM dead_letters ORDER BY partition, record_offset"
    )
    return [tuple(row) for row in rows]


async def test_an_event_is_applied_once_in_one_batch_across_batches_and_across_partitions(
    connection: Connection, database_url: str, sponsor: str
) -> None:
    one = note(sponsor)
    async with bench(database_url, SponsorActivity()) as it:
        await it.process(batch(0, 0, one, one), batch(1, 0, one))
        await it.process(batch(0, 2, one), batch(2, 0, one))

        assert await stored(connection) == {0: (3, 1, 2, 0), 1: AGAIN, 2: AGAIN}
    assert await connection.fetchval("SELECT count(*) FROM sponsor_activities") == 1
    assert tuple(await connection.fetch("SELECT n FROM lead_signals")) == ()
    (row,) = await connection.fetch("SELECT source, id, service, partition, record_offset FROM processed_events")
    assert tuple(row) == ("/test", "one", "sponsor_activity", 0, 0)


async def test_an_identity_belongs_to_one_event_across_services(
    connection: Connection, database_url: str, sponsor: str
) -> None:
    event_id = await add_event(connection)
    sent = event(EMAIL_ENGAGEMENT, "sent", id="one", message_id="m", sponsor_id=sponsor)
    viewed = event(TICKET_SALES, "page_viewed", id="one", event_id=event_id, session_id="s")
    mail = bench(database_url, EmailEngagement(), service="email_engagement", topic=EMAIL_ENGAGEMENT)
    box = bench(database_url, TicketSales(), service="ticket_sales", topic=TICKET_SALES)
    async with bench(database_url, SponsorActivity()) as crm, mail as mailer, box as box_office:
        await crm.process(batch(0, 0, note(sponsor)))
        await mailer.process(batch(0, 0, sent, topic=EMAIL_ENGAGEMENT))
        await box_office.process(batch(0, 0, viewed, topic=TICKET_SALES))

    assert await letters(connection) == [(0, 0, "event_id_conflict", "pending")] * 2
    assert await stored(connection, "email_engagement") == {0: REFUSED}
    assert await connection.fetchval("SELECT count(*) FROM email_messages") == 0


@pytest.mark.parametrize(
    "other", [{"event_id": None}, {"extra": 1}, {"metadata": {}}, {"metadata": {"n": 1.0}}], ids=str
)
async def test_the_first_content_stands_and_any_other_is_refused(
    connection: Connection, database_url: str, sponsor: str, other: dict[str, Any]
) -> None:
    """Null is not absent, 1 is not 1.0, and fields that nobody knows are content too."""
    first = note(sponsor, metadata={"n": 1}) if other.get("metadata") else note(sponsor)
    async with bench(database_url, SponsorActivity()) as it:
        await it.process(batch(0, 0, first, note(sponsor, **other), first))
        await it.process(batch(0, 3, note(sponsor, **other)))

    assert await stored(connection) == {0: (4, 1, 1, 2)}
    assert await letters(connection) == [(0, 1, "event_id_conflict", "pending"), (0, 3, "event_id_conflict", "pending")]


async def test_content_is_compared_with_its_keys_sorted(
    connection: Connection, database_url: str, sponsor: str
) -> None:
    async with bench(database_url, SponsorActivity()) as it:
        await it.process(batch(0, 0, note(sponsor, a=1, b=[2]), note(sponsor, b=[2], a=1)))

    assert await stored(connection) == {0: (2, 1, 1, 0)}


async def test_a_refused_event_claims_nothing_and_is_refused_again(
    connection: Connection, database_url: str, sponsor: str
) -> None:
    unknown = note(await add_event(connection))
    async with bench(database_url, SponsorActivity()) as it:
        await it.process(batch(0, 0, unknown, unknown))
        assert await connection.fetchval("SELECT count(*) FROM processed_events") == 0
        await it.process(batch(0, 2, note(sponsor)))

    assert await stored(connection) == {0: (3, 1, 0, 2)}


async def test_the_sponsor_is_looked_at_before_the_event_and_both_before_the_identity(
    connection: Connection, database_url: str, sponsor: str
) -> None:
    event_id, nobody = await add_event(connection), await add_event(connection)
    await connection.execute("DELETE FROM events WHERE id = $1", nobody)
    async with bench(database_url, SponsorActivity()) as it:
        await it.process(batch(0, 0, note(sponsor, event_id=event_id)))
        await it.process(batch(0, 1, note(nobody, event_id=nobody), note(sponsor, event_id=nobody), note(sponsor)))

    reasons = [reason for _, _, reason, _ in await letters(connection)]
    assert reasons == ["unknown_sponsor", "unknown_event", "event_id_conflict"]
    missing = await connection.fetch("SELECT missing_id::text FROM dead_letters ORDER BY id")
    assert [row[0] for row in missing] == [nobody, nobody, None]


async def race(first: Bench, held: Held, second: Bench, observer: Connection, *values: bytes) -> None:
    """Let `first` write its value and wait; `second` comes with its own, waits, and sees the first commit."""
    leading = asyncio.create_task(first.process(batch(0, 0, values[0])))
    await held.reached.wait()
    following = asyncio.create_task(second.process(batch(1, 0, values[1])))
    await until_blocked(observer, "eventos-sponsor_activity", following)
    held.go.set()
    await asyncio.gather(leading, following)


async def test_of_two_transactions_that_claim_an_identity_at_once_the_later_sees_a_duplicate(
    connection: Connection, database_url: str, sponsor: str
) -> None:
    held = Held()
    async with bench(database_url, held) as first, bench(database_url, SponsorActivity()) as second:
        await race(first, held, second, connection, note(sponsor), note(sponsor))

    assert await stored(connection) == {0: ONCE, 1: AGAIN}


async def test_of_two_transactions_that_claim_an_identity_at_once_the_later_sees_a_conflict(
    connection: Connection, database_url: str, sponsor: str
) -> None:
    held = Held()
    async with bench(database_url, held) as first, bench(database_url, SponsorActivity()) as second:
        await race(first, held, second, connection, note(sponsor), note(sponsor, n=1))

    assert await stored(connection) == {0: ONCE, 1: REFUSED}


async def test_a_claim_that_is_rolled_back_leaves_the_identity_to_who_waited(
    connection: Connection, database_url: str, sponsor: str
) -> None:
    held = Held()
    async with bench(database_url, held) as first, bench(database_url, SponsorActivity()) as second:
        leading = asyncio.create_task(first.process(batch(0, 0, note(sponsor))))
        await held.reached.wait()
        following = asyncio.create_task(second.process(batch(1, 0, note(sponsor, n=1))))
        await until_blocked(connection, "eventos-sponsor_activity", following)
        leading.cancel()
        await following

    assert await stored(connection) == {1: ONCE}


async def test_identities_are_claimed_in_key_order_so_that_batches_never_wait_crosswise(
    connection: Connection, database_url: str, sponsor: str
) -> None:
    """Two batches with the same identities, one in the opposite order: one waits for the other, none is undone."""
    values = [event(SPONSOR_ACTIVITY, "note_added", id=f"{n:03}", sponsor_id=sponsor) for n in range(200)]
    async with bench(database_url, SponsorActivity()) as first, bench(database_url, SponsorActivity()) as second:
        for round in range(5):
            shuffled = [value.replace(b'"source":"/test"', b'"source":"/%d"' % round) for value in values]
            await asyncio.gather(
                first.process(batch(0, round * 200, *shuffled)),
                second.process(batch(1, round * 200, *reversed(shuffled))),
            )
        retries = [next(iter(it.metrics.database_retries.collect())).samples for it in (first, second)]

    outcomes = await stored(connection)
    assert outcomes[0][1] + outcomes[1][1] == outcomes[0][2] + outcomes[1][2] == 1000
    assert retries == [[], []]
