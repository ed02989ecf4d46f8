"""A database per test, cloned from one that was migrated once."""

from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from typing import Any, LiteralString
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import psycopg
import pytest
from psycopg import sql

from infra.postgres.migrate import MIGRATIONS, migrate
from services.runtime.database import SEARCH_PATH, Connection
from tests.support.servers import Servers

_TEMPLATE_LOCK = 7_300_301


@pytest.fixture(scope="session")
def template_database(servers: Servers) -> str:
    """Name of a migrated database that nobody connects to; whoever needs it first makes it.

    Its name follows from the migrations: on a server that outlives the run it is used again until they change.
    """
    files = sorted(MIGRATIONS.glob("*.sql"))
    digest = sha256(b"".join(file.name.encode() + file.read_bytes() for file in files))
    name = f"eventos_template_{digest.hexdigest()[:12]}"
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_TEMPLATE_LOCK])
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
            half = f"{name}_half"
            _run(connection, "DROP DATABASE IF EXISTS {}", half)
            _run(connection, "CREATE DATABASE {}", half)
            migrate(address(servers, half))
            _run(connection, "ALTER DATABASE {} RENAME TO {}", half, name)
    return name


@pytest.fixture
def empty_database_url(servers: Servers) -> Iterator[str]:
    """Address of a database of the test's own, without any table."""
    yield from _database(servers, "template0")


@pytest.fixture
def database_url(servers: Servers, template_database: str) -> Iterator[str]:
    """Address of a migrated database of the test's own."""
    yield from _database(servers, template_database)


@pytest.fixture(scope="module")
def shared_database_url(servers: Servers, template_database: str) -> Iterator[str]:
    """Address of a migrated database of the test file's own, for tests that leave it as it was."""
    yield from _database(servers, template_database)


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    """A connection to the test's database as its owner, who may do anything."""
    opened = await connect(database_url)
    yield opened
    await opened.close(timeout=5)


async def connect(database_url: str) -> Connection:
    """Open one more connection as the owner, with the services' search path and time zone."""
    return await asyncpg.connect(
        database_url, server_settings={"search_path": SEARCH_PATH, "timezone": "UTC"}, timeout=10
    )


def address(servers: Servers, database: str) -> str:
    """Address of another database of the same server."""
    return urlsplit(servers.database_url)._replace(path=f"/{database}").geturl()


def _database(servers: Servers, template: str) -> Iterator[str]:
    name = f"eventos_test_{uuid4().hex}"
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        _run(connection, "CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy", name, template)
    try:
        yield address(servers, name)
    finally:
        with psycopg.connect(servers.database_url, autocommit=True) as connection:
            _run(connection, "DROP DATABASE {} WITH (FORCE)", name)


def _run(connection: psycopg.Connection[Any], statement: LiteralString, *names: str) -> None:
    connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
