"""`eventos db retention`: what of the sales agents' activities is old enough to leave, and letting it."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any

import typer

from services.operator.output import note, print_json, print_table
from services.operator.surroundings import database, settings_of_command
from services.runtime.database import Pool
from services.runtime.settings import Settings
from services.runtime.sql import load_queries

QUERIES = load_queries(__package__)


def retention_command(
    keep: Annotated[int, typer.Option("--keep-months", min=24, help="Whole months to keep before this one.")] = 24,
    apply: Annotated[bool, typer.Option("--apply", help="Detach them; without it they are only listed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Detach months of agent_sales_activities that are old: each becomes a table of the schema eventos_archive.

    Nothing is deleted: dump these tables, or drop them. A row that comes for such a month later lands in a new one.
    What happened before 2020 lies together and stays.

    Examples: `eventos db retention --keep-months 36`, and then with `--apply`
    """
    before = first_kept(datetime.now(UTC).date(), keep)
    months, archived = asyncio.run(_retain(settings_of_command(), before, apply=apply))
    if as_json:
        print_json({"before": before, "months": [dict(month) for month in months], "detached": archived})
        return
    print_table(
        ("month", "#rows", "#MB"), ((m["month"], f"{m['rows']:,}", f"{m['bytes'] / 2**20:.1f}") for m in months)
    )
    if not months:
        note(f"there is nothing from before {before}")
    elif apply:
        note(f"detached {len(archived)} months into the schema eventos_archive: {', '.join(archived)}")
    else:
        note(f"{len(months)} months before {before} would be detached; add --apply")


def first_kept(today: date, months: int) -> date:
    """The first day of the month that lies `months` before that of `today`."""
    years, month = divmod(today.year * 12 + today.month - 1 - months, 12)
    return date(years, month + 1, 1)


async def _retain(settings: Settings, before: date, *, apply: bool) -> tuple[Sequence[Mapping[str, Any]], list[str]]:
    async with database(settings) as pool:
        return await retain(pool, before, apply=apply)


async def retain(pool: Pool, before: date, *, apply: bool) -> tuple[Sequence[Mapping[str, Any]], list[str]]:
    """List the months with rows that end before a day; with `apply`, detach them and return their new names."""
    months = await pool.fetch(QUERIES["old_months"], before)
    detached = await pool.fetch(QUERIES["detach_months"], before) if apply else []
    return months, [row["name"] for row in detached]
