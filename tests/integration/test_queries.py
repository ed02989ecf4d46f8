"""Every named query fits the schema as it is migrated, and has a user."""

import re
from pathlib import Path

import asyncpg
import pytest

import services
from services.runtime.database import Connection
from services.runtime.sql import load_queries

SERVICES = Path(services.__file__ or "").parent
PACKAGES = sorted(path.parent for path in SERVICES.rglob("queries.sql"))
TEMPORARY_TABLES = re.compile(r"make_scratch")
"""Queries that make the temporary tables which others of their package read."""
SHIPPED = re.compile(r"(?<!:):(batch_\w+|email_messages)\b")
"""What stands for rows that are shipped to a query: their shape."""
ELSEWHERE = {
    "make_room": "its table's name and shape are put in; runtime/test_shipping.py runs it",
    "slow_queries": "the embedded server lacks pg_stat_statements; test_database_commands.py has a stand-in",
}
"""Queries that cannot be tried here, and why."""


def _name(package: Path) -> str:
    return ".".join(["services", *package.relative_to(SERVICES).parts])


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
async def test_each_query_fits_the_schema(package: Path, connection: Connection) -> None:
    queries = {name: query for name, query in load_queries(_name(package)).items() if name not in ELSEWHERE}
    unfit = {}
    async with connection.transaction():
        for name, query in queries.items():
            if TEMPORARY_TABLES.fullmatch(name):
                await connection.execute(query)
        for name, query in queries.items():
            try:
                async with connection.transaction():
                    along = SHIPPED.sub(r"unnest(NULL::\1[])", query)
                    await connection.prepare(along.replace(":service", "ticket_sales"))
            except asyncpg.PostgresError as error:
                unfit[name] = str(error)

    assert queries
    assert not unfit


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_each_query_has_a_user(package: Path) -> None:
    """A name is written out where it is used, or begun there: `QUERIES[f"state_{name}"]`."""
    code = "\n".join(path.read_text("utf-8") for path in package.rglob("*.py"))
    begun = tuple(re.findall(r'\[f"(\w+)\{', code))

    unused = {name for name in load_queries(_name(package)) if f'"{name}"' not in code and not name.startswith(begun)}

    assert not unused
