"""Connections as a service has them: its role, its time limits, its codecs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import SecretStr

from services.runtime.database import Connection, Pool, connect_pool
from services.runtime.settings import Settings


@asynccontextmanager
async def pool_of_one(database_url: str, service: str) -> AsyncIterator[Pool]:
    """Give a pool of `service` that has a single connection."""
    settings = Settings(kafka_bootstrap_servers="unused:9092", database_url=SecretStr(database_url))
    pool = await connect_pool(settings, service, size=1)
    try:
        yield pool
    finally:
        pool.terminate()


@asynccontextmanager
async def connected(database_url: str, service: str) -> AsyncIterator[Connection]:
    """Give one connection of `service`."""
    async with pool_of_one(database_url, service) as pool, pool.acquire() as connection:
        yield connection
