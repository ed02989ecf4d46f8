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
SHIPPED = {
    "claim_identities": "batch_identity", "applied_identities": "batch_identity", "add_contributions": "batch_signal",
    "add_messages": "batch_message", "update_messages": "batch_message", "write_activities": "batch_activity",
    "insert_leads": "batch_lead", "update_leads": "batch_lead",
}  # fmt: skip
"""The shape of the rows that are shipped to a query."""
ELSEWHERE = {
    "create_shipment": "its table's name and shape are put in; runtime/test_shipping.py runs it",
    "clear_shipment": "as above",
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
                    along = f"unnest(NULL::{SHIPPED[name]}[])" if name in SHIPPED else ":rows"
                    await connection.prepare(query.replace(":service", "ticket_sales").replace(":rows", along))
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
