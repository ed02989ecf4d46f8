"""Connections as a service has them: its role, its time limits, its codecs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import SecretStr

from services.runtime.database import Connection, connect_pool
from services.runtime.settings import Settings


@asynccontextmanager
async def connected(database_url: str, service: str) -> AsyncIterator[Connection]:
    """Give one connection of `service`."""
    settings = Settings(kafka_bootstrap_servers="unused:9092", database_url=SecretStr(database_url))
    async with await connect_pool(settings, service) as pool, pool.acquire() as connection:
        yield connection
