"""What a command works on: its settings, and its connections to Postgres."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.operator.output import Failure
from services.runtime.database import Pool, connect_pool
from services.runtime.settings import Settings, load_settings


def settings_of_command() -> Settings:
    """Read the settings. Raises ConfigurationError with every fault."""
    return load_settings()


@asynccontextmanager
async def database(settings: Settings, *, size: int = 2) -> AsyncIterator[Pool]:
    """Open a pool as the operator's role. Raises Failure where Postgres cannot be reached."""
    try:
        pool = await connect_pool(settings, "operator", size=size)
    except OSError as error:
        raise Failure(
            "Postgres cannot be reached", str(error), "Is it up? Check EVENTOS_DATABASE_URL (`eventos config`)."
        ) from None
    try:
        yield pool
    finally:
        await pool.close()
