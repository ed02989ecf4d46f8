"""`eventos sponsors similar`: the nearest by embedding, of those that pass the filters."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from infra.postgres.migrate import migrate
from services.operator.sponsors import QUERIES, Wanted, similar
from services.runtime.database import Connection
from tests.support.as_service import connected
from tests.support.commands import eventos
from tests.support.databases import connect

ANY_PLACE = (1.0, 0.0)


def vector(place: Sequence[float]) -> str:
    """An embedding that differs in its first two numbers."""
    return f"[{','.join(map(str, [*place, *[0] * 1534]))}]"


async def add(
    connection: Connection, name: str, place: Sequence[float] | None = ANY_PLACE, *, industry: str = "food",
    model: str = "small", budget: tuple[int | None, int | None] = (None, None), currency: str = "USD",
) -> str:  # fmt: skip
    """Insert a sponsor, with an embedding unless its place is None."""
    identity = str(uuid4())
    await connection.execute(
        "INSERT INTO sponsors (id, company_name, industry, min_budget, max_budget, currency)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        identity, name, industry, *budget, currency,
    )  # fmt: skip
    if place is not None:
        await connection.execute(
            "INSERT INTO sponsor_embeddings (sponsor_id, embedding, model, model_version)"
            " VALUES ($1, $2::text::vector, $3, '1')",
            identity, vector(place), model,
        )  # fmt: skip
    return identity


async def add_event(connection: Connection, place: Sequence[float] | None) -> str:
    identity = str(uuid4())
    await connection.execute(
        "INSERT INTO events (id, title, currency, embedding) VALUES ($1, 'Gala', 'EUR', $2::text::vector)",
        identity, None if place is None else vector(place),
    )  # fmt: skip
    return identity


@pytest.fixture
async def operator(database_url: str) -> AsyncIterator[Connection]:
    """A connection with the rights of an operator; `connection` is the owner's."""
    async with connected(database_url, "operator") as opened:
        yield opened


async def names(operator: Connection, identity: str, **wanted: Any) -> list[str]:
    """The sponsors like this one, the nearest first."""
    given = await operator.fetchrow(QUERIES["find_embedding"], UUID(identity))
    assert given is not None
    return [row["company_name"] for row in await similar(operator, UUID(identity), given, Wanted(**wanted))]


async def test_the_nearest_come_first_and_the_sponsor_itself_is_not_among_them(
    connection: Connection, operator: Connection
) -> None:
    given = await add(connection, "given", (1, 0))
    for name, place in (("far", (-1, 0)), ("near", (1, 0.1)), ("between", (0, 1))):
        await add(connection, name, place)
    await add(connection, "unknown", None)

    assert await names(operator, given) == ["near", "between", "far"]
    assert await names(operator, given, limit=1) == ["near"]
    assert await names(operator, await add_event(connection, (0, 1)), limit=2) == ["between", "near"]


async def test_only_embeddings_of_the_same_model_are_compared(connection: Connection, operator: Connection) -> None:
    given = await add(connection, "given")
    await add(connection, "same model")
    await add(connection, "other model", model="large")

    assert await names(operator, given) == ["same model"]


async def test_an_industry_and_a_budget_in_the_same_currency_are_filters(
    connection: Connection, operator: Connection
) -> None:
    given = await add(connection, "given")
    await add(connection, "holds it", budget=(1000, 5000))
    await add(connection, "no bounds", (1, 0.1))
    await add(connection, "too small", budget=(None, 999))
    await add(connection, "too large", budget=(1001, None))
    await add(connection, "other money", budget=(1000, 5000), currency="EUR")
    await add(connection, "other industry", industry="energy", budget=(1000, 5000))

    assert await names(operator, given, industry="food", budget=1000) == ["holds it", "no bounds"]
    assert await names(operator, given, industry="energy") == ["other industry"]
    assert await names(operator, given, industry="mining") == []


async def test_the_index_goes_on_until_enough_have_passed_the_filter(
    connection: Connection, operator: Connection
) -> None:
    """Of 400 nearer ones none is in the industry: without iterative scan the index would find nothing."""
    await connection.execute(
        "INSERT INTO sponsors (id, company_name, industry) SELECT gen_random_uuid(), 'near', 'food'"
        " FROM generate_series(1, 400)"
    )
    await connection.execute(
        "INSERT INTO sponsor_embeddings (sponsor_id, embedding, model, model_version)"
        " SELECT id, ('[1,' || row_number() OVER () / 10000.0 || repeat(',0', 1534) || ']')::vector, 'small', '1'"
        " FROM sponsors"
    )
    for number in range(3):
        await add(connection, f"far {number}", (0, 1 + number), industry="energy")
    given = await add(connection, "given", (1, 0))
    await connection.execute("ANALYZE sponsors; ANALYZE sponsor_embeddings")
    await operator.execute("SET enable_seqscan TO off; SET enable_bitmapscan TO off; SET enable_sort TO off")

    found = await names(operator, given, industry="energy")

    assert sorted(found) == ["far 0", "far 1", "far 2"]
    assert "idx_sponsors_vector" in await plan(operator)


async def plan(operator: Connection) -> str:
    """How Postgres goes about it."""
    rows = await operator.fetch(
        f"EXPLAIN (FORMAT json) {QUERIES['similar_sponsors']}",
        vector(ANY_PLACE), UUID(int=0), None, None, "USD", "energy", None, 10,
    )  # fmt: skip
    return json.dumps(rows[0][0])


class TestCommand:
    def test_it_prints_a_table_or_json(self, database_url: str) -> None:
        async def fill() -> str:
            connection = await connect(database_url)
            given = await add(connection, "given")
            await add(connection, "near", (1, 0.1), budget=(1000, 5000))
            await connection.close()
            return given

        given = asyncio.run(fill())
        shown = eventos(database_url, "sponsors", "similar", given, "--budget", "1000")
        assert "near" in shown.stdout
        assert "1,000 – 5,000 USD" in shown.stdout
        (row,) = eventos(database_url, "sponsors", "similar", given, "--json").data
        assert (row["company_name"], round(row["similarity"], 3)) == ("near", 0.995)

    @pytest.mark.parametrize(
        ("words", "code", "said"),
        [
            (["00000000-0000-0000-0000-000000000000"], 1, "there is no sponsor or event"),
            (["nonsense"], 2, ""),
            (["00000000-0000-0000-0000-000000000000", "--budget", "much"], 2, "'much' is no amount"),
            (["00000000-0000-0000-0000-000000000000", "--budget", "-1"], 2, "'-1' is no amount"),
        ],
    )
    def test_what_cannot_be_found_or_read_is_said(
        self, database_url: str, words: list[str], code: int, said: str
    ) -> None:
        outcome = eventos(database_url, "sponsors", "similar", *words)
        assert outcome.code == code
        assert said in outcome.stderr


def test_services_reach_pgvector_where_a_platform_keeps_it(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url) as owner:
        owner.execute("CREATE SCHEMA extensions; CREATE EXTENSION vector SCHEMA extensions")
    migrate(empty_database_url)

    async def compare() -> list[str]:
        connection = await connect(empty_database_url)
        given = await add(connection, "given")
        await add(connection, "near", (1, 0.1))
        await connection.close()
        async with connected(empty_database_url, "operator") as operator:
            return await names(operator, given)

    assert asyncio.run(compare()) == ["near"]
    with psycopg.connect(empty_database_url) as scoring:
        scoring.execute("SET ROLE eventos_lead_scoring")
        assert scoring.execute("SELECT '[1,0]'::extensions.vector OPERATOR(extensions.<=>) '[0,1]'").fetchone() == (
            1.0,
        )
