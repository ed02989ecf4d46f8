"""How a contender's process runs: as a service's does, so that nobody is ahead by the loop that runs him."""

import asyncio
from collections.abc import Coroutine

import uvloop

from services.runtime.service import collect_seldom


def run(main: Coroutine[None, None, None]) -> None:
    """Run `main` on a service's event loop, with its garbage collection."""
    collect_seldom()
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(main)
