"""Seeing that a session waits for another: what two connections do at once, stepped by a test."""

import asyncio
from typing import Any

from services.runtime.database import Connection

DEADLINE = 60.0


async def until_blocked(
    observer: Connection, application: str, *tasks: asyncio.Task[Any], blocked: bool = True
) -> None:
    """Return once a session of `application` waits for a lock that another holds; the tasks must not end before.

    Or, not `blocked`, once none does.
    """
    async with asyncio.timeout(DEADLINE):
        while blocked != await observer.fetchval(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = $1 AND cardinality(pg_blocking_pids(pid)) > 0)",
            application,
        ):
            for task in tasks:
                assert not task.done(), f"it does not wait: {task}"


async def until_all_blocked(observer: Connection, application: str, sessions: int) -> None:
    """Return once so many sessions of `application` wait for locks that others hold."""
    async with asyncio.timeout(DEADLINE):
        while sessions > await observer.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = $1 AND cardinality(pg_blocking_pids(pid)) > 0",
            application,
        ):
            pass


async def terminate(observer: Connection, application: str) -> int:
    """End all sessions of `application` on this database, as an administrator would; return how many."""
    return len(
        await observer.fetch(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = $1",
            application,
        )
    )
