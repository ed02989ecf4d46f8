"""`eventos sponsors similar SPONSOR|EVENT`: the sponsors nearest to a sponsor or an event, by embedding."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any
from uuid import UUID

import typer

from services.operator.output import WRONG_USAGE, Failure, note, print_json, print_table
from services.operator.surroundings import database, settings_of_command
from services.runtime.database import Connection
from services.runtime.settings import Settings
from services.runtime.sql import load_queries

QUERIES = load_queries(__package__)

app = typer.Typer(help="Sponsors, and who is like them.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which sponsors; None takes any. The budget is in the currency of what they are compared with."""

    industry: str | None = None
    budget: Decimal | None = None
    limit: int = 10


@app.callback()
def sponsors() -> None:
    """Sponsors, and who is like them."""


@app.command("similar")
def similar_command(
    identity: Annotated[UUID, typer.Argument(metavar="SPONSOR|EVENT", help="The id of a sponsor or an event.")],
    industry: Annotated[str | None, typer.Option("--industry", help="Only sponsors of this industry.")] = None,
    budget: Annotated[
        str | None, typer.Option("--budget", help="Only sponsors whose budget holds this amount.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Most sponsors.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find the sponsors that are most like a sponsor, or that an event suits best, by their embeddings.

    The budget is in the currency of the sponsor or event given; sponsors who spend another are left out then, and a
    bound that a sponsor does not name holds any amount. Sponsors are only compared by embeddings of the same model.

    Examples: `eventos sponsors similar 78e51061-7311-48a3-82ce-6f447ed4d57b --industry energy --budget 25000`
    """
    settings = settings_of_command()
    given, rows = asyncio.run(_similar(settings, identity, Wanted(industry, _amount(budget), limit)))
    if as_json:
        print_json([dict(row) for row in rows])
        return
    columns = ("#similarity", "sponsor", "industry", "budget", "#engagement", "id")
    print_table(columns, (_row(row) for row in rows))
    note(f"{len(rows)} sponsors like the {given['kind']} {given['name']}")


async def _similar(
    settings: Settings, identity: UUID, wanted: Wanted
) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]:
    async with database(settings) as pool, pool.acquire() as connection:
        given = await connection.fetchrow(QUERIES["find_embedding"], identity)
        if given is None:
            raise Failure(f"there is no sponsor or event {identity}")
        if given["embedding"] is None:
            raise Failure(f"the {given['kind']} {given['name']} has no embedding", "What it is about is not known yet.")
        return given, await similar(connection, identity, given, wanted)


async def similar(
    connection: Connection, identity: UUID, given: Mapping[str, Any], wanted: Wanted
) -> Sequence[Mapping[str, Any]]:
    """Find the sponsors nearest to `given`, a row of find_embedding, the nearest first.

    The index goes on looking until enough sponsors have passed the filters, where it would else filter the nearest
    few only.
    """
    async with connection.transaction(readonly=True):
        await connection.execute(QUERIES["search_on"])
        rows: Sequence[Mapping[str, Any]] = await connection.fetch(
            QUERIES["similar_sponsors"], given["embedding"], identity, given["model"], given["model_version"],
            given["currency"], wanted.industry, wanted.budget, wanted.limit,
        )  # fmt: skip
    return rows


def _amount(text: str | None) -> Decimal | None:
    try:
        amount = None if text is None else Decimal(text)
    except InvalidOperation:
        amount = Decimal("nan")
    if amount is not None and not (amount.is_finite() and amount >= 0):
        raise Failure(f"{text!r} is no amount", "Write it like 25000 or 25000.00.", code=WRONG_USAGE)
    return amount


def _row(row: Mapping[str, Any]) -> tuple[Any, ...]:
    least, most = (f"{row[bound]:,.0f}" if row[bound] is not None else "any" for bound in ("min_budget", "max_budget"))
    budget = f"{least} – {most} {row['currency']}"
    return f"{row['similarity']:.3f}", row["company_name"], row["industry"], budget, row["engagement_score"], row["id"]
