"""Batches of e-mail facts on a real Postgres, as the service."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, date, datetime
from random import Random
from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from contracts.envelope import Event
from services.email_engagement import store
from services.email_engagement.app import EmailEngagement
from services.email_engagement.domain import MessageState, activity, contributions, fold
from services.runtime.database import Connection, connect_pool
from services.runtime.effects import Effects
from services.runtime.settings import Settings
from tests.support.as_service import connected
from tests.support.crm import add_event, add_sponsor
from tests.support.facts import NOON, email

CAMPAIGN, TEMPLATE, SEQUENCE = (f"{n}9a2105c-5080-4f01-ba1d-556cb62c228e" for n in (1, 2, 3))
NOTHING = MessageState("m-1")


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Connection]:
    """A connection of the service; `connection` is the owner's, for the rows that are the CRM's."""
    async with connected(database_url, "email_engagement") as connection:
        yield connection


async def apply(connection: Connection, *events: Event[Any], shard: int = 0) -> Effects:
    """Apply one batch in a transaction of its own."""
    async with connection.transaction():
        return await EmailEngagement().apply(connection, events, shard)


async def messages(connection: Connection) -> dict[str, MessageState]:
    async with connection.transaction():
        ids = [row[0] for row in await connection.fetch("SELECT message_id FROM email_messages")]
        return await store.lock_messages(connection, ids)


async def activity_rows(connection: Connection) -> dict[str, dict[str, Any]]:
    rows = await connection.fetch("SELECT * FROM agent_sales_activities")
    assert len({row["message_id"] for row in rows}) == len(rows)
    return {row["message_id"]: dict(row) for row in rows}


def states(facts: Iterable[Event[Any]]) -> dict[str, MessageState]:
    """The states that the facts make, taken together."""
    by_message: defaultdict[str, list[Event[Any]]] = defaultdict(list)
    for fact in facts:
        by_message[fact.data.message_id].append(fact)
    return {message_id: fold(MessageState(message_id), each) for message_id, each in by_message.items()}


async def subject_counts(connection: Connection) -> Counter[Any]:
    rows = await connection.fetch("SELECT subject, subject_id::text, metric, n FROM campaign_counters")
    total: Counter[Any] = Counter()
    for *key, n in rows:
        total[tuple(key)] += n
    return +total


async def assert_all_agrees(connection: Connection, facts: Sequence[Event[Any]], effects: Iterable[Effects]) -> None:
    """States, counters, activities and what was returned are what all the facts together make."""
    expected = states(facts)
    contributed = [contributions(state) for state in expected.values()]
    signals: Counter[Any] = Counter()
    counters: Counter[Any] = Counter()
    for each in effects:
        signals.update(each.signals)
        counters.update(each.counters)

    assert await messages(connection) == expected
    assert await subject_counts(connection) == Counter(key for each in contributed for key in each.subjects)
    assert +signals == Counter(key for each in contributed for key in each.signals)
    assert +counters == Counter(key for each in contributed for key in each.counters)
    stored = {id_: (row["created_at"], row["status"]) for id_, row in (await activity_rows(connection)).items()}
    assert stored == {row.message_id: (row.created_at, row.status) for row in map(activity, expected.values()) if row}


async def happened(connection: Connection, n: int, message_count: int, seed: int) -> list[Event[Any]]:
    """Return `n` facts of `message_count` messages that keep changing their minds."""
    random = Random(seed)
    sponsors = [await add_sponsor(connection) for _ in range(3)]
    events = [await add_event(connection) for _ in range(2)]
    names = ["sent", "sent", "delivered", "opened", "clicked", "replied", "bounced", "complained", "unsubscribed"]
    facts = []
    for _ in range(n):
        name = random.choice(names)
        data: dict[str, Any] = {"bounce_kind": random.choice(("hard", "soft"))} if name == "bounced" else {}
        facts.append(
            email(
                name,
                minute=random.randrange(3000),
                message_id=f"m-{random.randrange(message_count)}",
                sponsor_id=random.choice((None, *sponsors)),
                event_id=random.choice((None, *events)),
                campaign_id=random.choice((None, CAMPAIGN)),
                template_id=random.choice((None, TEMPLATE)),
                sequence_id=random.choice((None, SEQUENCE)),
                **data,
            )
        )
    return facts


async def test_every_fact_is_kept_with_its_identity_also_a_machines_click(service: Connection) -> None:
    clicked = email("clicked", id="1", machine=True, url="https://example.org", recipient_hash="ab12")
    bounced = email("bounced", id="2", bounce_kind="soft", minute=1)

    await apply(service, clicked, bounced)

    first, second = await service.fetch("SELECT * FROM email_events ORDER BY id")
    assert (first["message_id"], first["source"], first["id"], first["type"]) == ("m-1", "/mailer", "1", "clicked")
    assert (first["occurred_at"], first["machine"], first["url"]) == (NOON, True, "https://example.org")
    assert (first["recipient_hash"], first["bounce_kind"]) == ("ab12", None)
    assert (second["machine"], second["bounce_kind"]) == (False, "soft")


async def test_what_is_stored_is_what_is_read_again(service: Connection) -> None:
    """Also of the year 1, and with texts as long as they may be."""
    longest = "\U0001f39f" * 255
    ids = {"event_id": CAMPAIGN, "campaign_id": CAMPAIGN, "template_id": TEMPLATE, "sequence_id": SEQUENCE}
    year_1 = -(NOON - datetime(1, 1, 2, tzinfo=UTC)).total_seconds() / 60
    plain = "sent", "delivered", "opened", "clicked", "replied", "complained", "unsubscribed"
    facts = [
        *(email(name, message_id=longest, source=longest, minute=year_1, **ids) for name in plain),
        email("bounced", message_id=longest, bounce_kind="hard"),
        email("opened", message_id=longest, machine=True),
    ]

    await apply(service, *facts)

    assert await messages(service) == states(facts)


async def test_a_fact_is_kept_whatever_its_texts_are_as_long_as_they_may_be(service: Connection) -> None:
    """Texts that do not compress, of characters of four bytes."""
    random = Random(6)
    message_id, source, id_ = ("".join(chr(random.randrange(1 << 16, 17 << 16)) for _ in range(255)) for _ in "123")

    await apply(service, email("sent", message_id=message_id, source=source, id=id_))


async def test_a_message_that_stays_as_it_is_is_not_written(service: Connection) -> None:
    await apply(service, email("opened"))
    before = await service.fetchval("SELECT ctid FROM email_messages")

    effects = await apply(service, email("opened", minute=1), email("clicked", machine=True))

    assert effects == Effects()
    assert await service.fetchval("SELECT ctid FROM email_messages") == before


async def test_an_activity_is_a_row_that_follows_its_message(connection: Connection, service: Connection) -> None:
    sponsor_id, event_id = await add_sponsor(connection), await add_event(connection)
    await apply(service, email("sent", sponsor_id=sponsor_id, event_id=event_id, sequence_id=SEQUENCE))
    await apply(service, email("replied", minute=1))

    row = (await activity_rows(service))["m-1"]

    assert (str(row["sponsor_id"]), str(row["event_id"])) == (sponsor_id, event_id)
    assert (row["activity_type"], row["status"], row["created_at"]) == ("follow_up_sent", "escalated", NOON)
    assert (row["required_human_review"], row["escalation_reason"]) == (True, "sponsor_replied")
    assert (row["agent_id"], row["agent_version"]) == ("email_engagement", "rule-based-1")
    assert row["input_data"]["sequence_id"] == SEQUENCE
    assert row["output_data"] == {"sent_at": "2026-09-01T12:00:00+00:00", "replied_at": "2026-09-01T12:01:00+00:00"}
    assert row["autonomous"] is True


@pytest.mark.proves(28)
async def test_an_earlier_sent_moves_the_activity_to_its_month_and_leaves_one_row(
    connection: Connection, service: Connection
) -> None:
    sponsor_id = await add_sponsor(connection)
    await apply(service, email("sent", sponsor_id=sponsor_id))
    earlier = email("sent", minute=-60 * 24 * 40)

    await apply(service, earlier)

    rows = await service.fetch("SELECT created_at, tableoid::regclass::text AS lies_in FROM agent_sales_activities")
    assert [tuple(row) for row in rows] == [(earlier.time, "agent_sales_activities_2026_07")]


async def test_months_are_made_before_mail_of_theirs_is_stored(database_url: str, connection: Connection) -> None:
    settings = Settings(kafka_bootstrap_servers="unused:9092", database_url=SecretStr(database_url))
    sponsor_id = await add_sponsor(connection)

    def sent_in(year: int, **data: Any) -> Event[Any]:
        return email("sent", minute=(datetime(year, 5, 31, 23, 59, tzinfo=UTC) - NOON).total_seconds() / 60, **data)

    facts = [sent_in(year, message_id=f"m-{year}", sponsor_id=sponsor_id) for year in (1971, 2021, 2061)]
    handler = EmailEngagement()
    async with await connect_pool(settings, "email_engagement") as pool:
        for _ in range(2):
            await handler.prepare(pool, facts)
        async with pool.acquire() as service, service.transaction():
            await handler.apply(service, facts, 0)

    rows = await connection.fetch(
        "SELECT created_at::date, tableoid::regclass::text FROM agent_sales_activities ORDER BY 1"
    )
    assert [tuple(row) for row in rows] == [
        (date(1971, 5, 31), "agent_sales_activities_before_2020"),
        (date(2021, 5, 31), "agent_sales_activities_2021_05"),
        (date(2061, 5, 31), "agent_sales_activities_2061_05"),
    ]


@pytest.mark.parametrize("table", ["sponsors", "events"])
async def test_an_activity_deleted_with_its_sponsor_or_event_stays_away(
    connection: Connection, service: Connection, table: str
) -> None:
    sponsor_id, event_id = await add_sponsor(connection), await add_event(connection)
    await apply(service, email("sent", sponsor_id=sponsor_id, event_id=event_id))
    await connection.execute(f"DELETE FROM {table}")  # noqa: S608

    moved = await apply(service, email("opened"), email("sent", minute=-1))

    assert await activity_rows(connection) == {}
    assert moved.derived == []


@pytest.mark.parametrize("table", ["sponsors", "events"])
async def test_of_a_batchs_activities_only_those_that_are_written_are_told(
    connection: Connection, service: Connection, table: str
) -> None:
    """What a message is first told of may be gone too, when an older fact named it."""
    sponsor_id, event_id = await add_sponsor(connection), await add_event(connection)
    about: dict[str, Any] = {"sponsor_id": sponsor_id, "event_id": event_id}
    await apply(service, email("sent", message_id="m-1", **about), email("delivered", message_id="m-2", **about))
    await connection.execute(f"DELETE FROM {table}")  # noqa: S608
    about = {"sponsor_id": await add_sponsor(connection), "event_id": await add_event(connection)}
    here = email("sent", message_id="m-3", **about)

    effects = await apply(service, email("replied", message_id="m-1"), email("sent", message_id="m-2"), here)

    assert [orjson.loads(told.data or b"")["message_id"] for told in effects.derived] == ["m-3"]
    assert (await activity_rows(connection)).keys() == {"m-3"}


async def test_an_activity_that_is_written_again_with_another_status_is_told(
    connection: Connection, service: Connection
) -> None:
    told = await apply(service, email("sent", sponsor_id=await add_sponsor(connection)))
    told_again = await apply(service, email("delivered", minute=1))
    moved = await apply(service, email("sent", minute=-60 * 24 * 40), email("replied", minute=2))

    status = [orjson.loads(each.data or b"")["status"] for it in (told, told_again, moved) for each in it.derived]
    assert status == ["pending", "success", "escalated"]


async def test_any_order_and_batching_stores_the_same_and_moves_the_same_sums(
    connection: Connection, service: Connection
) -> None:
    facts, random = await happened(connection, 150, message_count=20, seed=3), Random(4)
    for size in (150, 1, 7):
        random.shuffle(facts)
        batches = [facts[start : start + size] for start in range(0, len(facts), size)]

        effects = [await apply(service, *batch, shard=random.randrange(3)) for batch in batches]

        await assert_all_agrees(service, facts, effects)
        await connection.execute("TRUNCATE email_events, email_messages, campaign_counters, agent_sales_activities")


@pytest.mark.proves(28)
async def test_two_replicas_with_facts_of_the_same_messages_neither_deadlock_nor_lose_any(
    connection: Connection, database_url: str
) -> None:
    facts = await happened(connection, 1200, message_count=30, seed=5)
    effects: list[Effects] = []

    async def drain(mine: list[Event[Any]], shard: int) -> None:
        async with connected(database_url, "email_engagement") as service:
            for start in range(0, len(mine), 40):
                effects.append(await apply(service, *mine[start : start + 40], shard=shard))

    await asyncio.gather(*(drain(facts[replica::3], replica) for replica in range(3)))

    await assert_all_agrees(connection, facts, effects)


@pytest.mark.proves(28)
@pytest.mark.parametrize("known", [False, True], ids=["first facts", "later facts"])
async def test_two_batches_on_one_message_wait_for_each_other_and_lose_nothing(
    connection: Connection, service: Connection, database_url: str, known: bool
) -> None:
    """The second reads the message once it has the lock, by a snapshot that holds what the first wrote."""
    sponsor_id = await add_sponsor(connection)
    start = [email("delivered", sponsor_id=sponsor_id)] if known else []
    first, second = email("sent", sponsor_id=sponsor_id, minute=5), email("opened", campaign_id=CAMPAIGN, minute=1)
    async with connected(database_url, "email_engagement") as other:
        effects = [await apply(service, *start)] if start else []
        async with service.transaction():
            effects.append(await EmailEngagement().apply(service, [first], 0))
            waiting = asyncio.create_task(apply(other, second, shard=1))
            while not await service.fetchval("SELECT pg_blocking_pids($1) <> '{}'", other.get_server_pid()):
                pass
        effects.append(await waiting)

    await assert_all_agrees(connection, [*start, first, second], effects)


async def test_messages_are_inserted_and_locked_in_one_order_whatever_order_their_facts_come_in(
    service: Connection, database_url: str
) -> None:
    """The first batch holds `b`; the second, whose facts begin with `c`, waits for it with only `a` in hand."""
    await apply(service, *(email("sent", message_id=id_) for id_ in "abc"))
    async with connected(database_url, "email_engagement") as other:
        async with service.transaction():
            await EmailEngagement().apply(service, [email("opened", message_id="b")], 0)
            waiting = asyncio.create_task(apply(other, *(email("opened", message_id=id_) for id_ in "cba")))
            while not await service.fetchval("SELECT pg_blocking_pids($1) <> '{}'", other.get_server_pid()):
                pass
            await EmailEngagement().apply(service, [email("clicked", message_id="c")], 0)
        await waiting

    assert all(state.opened_at for state in (await messages(service)).values())


async def test_what_belongs_to_a_batch_that_is_rolled_back_is_gone(connection: Connection, service: Connection) -> None:
    """Also from the tables in which a session ships its batches."""
    sponsor_id = await add_sponsor(connection)
    gone, kept = (email("sent", message_id=id_, sponsor_id=sponsor_id, campaign_id=CAMPAIGN) for id_ in ("m-1", "m-2"))
    for _ in range(2):
        transaction = service.transaction()
        await transaction.start()
        await EmailEngagement().apply(service, [gone], 0)
        await transaction.rollback()

    effects = await apply(service, kept)

    await assert_all_agrees(connection, [kept], [effects])
