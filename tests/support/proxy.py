"""A TCP proxy in front of a Postgres: connections through it can be cut, stalled, refused, and cut around a COMMIT."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs, urlsplit

_COMMIT = b"COMMIT;\0"
"""What asyncpg sends to commit."""
_CHUNK = 65_536

Point = Literal["before", "after"]


@dataclass(eq=False)
class _Link:
    """One client's connection, and ours to the server on its behalf."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    doomed: bool = False

    def cut(self) -> None:
        """Break both ends off, without a word."""
        for end in (self.client, self.server):
            end.transport.abort()


@dataclass
class Proxy:
    """Passes bytes on for as long as nothing else is asked for. `cuts` counts connections that were broken off."""

    upstream: str
    """Path of the server's socket."""
    port: int = 0
    cuts: int = 0
    refusing: bool = False
    _links: set[_Link] = field(default_factory=set)
    _flowing: asyncio.Event = field(default_factory=asyncio.Event)
    _at_commit: list[Point] = field(default_factory=list)

    def url(self, database_url: str) -> str:
        """The address of the same database through the proxy."""
        parts = urlsplit(database_url)
        return f"postgresql://{parts.username}@127.0.0.1:{self.port}{parts.path}?sslmode=disable"

    def cut(self) -> None:
        """Break off every connection that there is."""
        for link in list(self._links):
            self._break(link)

    def stall(self) -> None:
        """Pass nothing on, and close nothing: the server seems to hang."""
        self._flowing.clear()

    def flow(self) -> None:
        """Pass on again, what waited first, and accept again."""
        self.refusing = False
        self._flowing.set()

    def refuse(self) -> None:
        """Break off what there is, and accept nothing new."""
        self.refusing = True
        self.cut()

    def cut_at_commits(self, *points: Point) -> None:
        """Break off the next connections that commit, one for each point.

        "before" the server hears of it, or "after" the server has committed, with its answer on the way.
        """
        self._at_commit += points

    @property
    def commits_to_cut(self) -> int:
        """How many of those asked for have not happened yet."""
        return len(self._at_commit)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client until either end closes."""
        if self.refusing:
            writer.transport.abort()
            return
        server_reader, server_writer = await asyncio.open_unix_connection(self.upstream)
        link = _Link(writer, server_writer)
        self._links.add(link)
        try:
            await asyncio.gather(self._requests(link, reader), self._answers(link, server_reader))
        finally:
            self._links.discard(link)
            link.cut()

    async def _requests(self, link: _Link, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(_CHUNK):
                await self._flowing.wait()
                if _COMMIT in data and self._at_commit and not link.doomed:
                    if self._at_commit.pop(0) == "before":
                        self._break(link)
                        return
                    link.doomed = True
                link.server.write(data)
                await link.server.drain()
        link.server.close()  # also where the client broke off: Postgres is to hear that it is gone

    async def _answers(self, link: _Link, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(_CHUNK):
                if link.doomed:
                    self._break(link)
                    return
                await self._flowing.wait()
                link.client.write(data)
                await link.client.drain()
        link.client.close()

    def _break(self, link: _Link) -> None:
        self.cuts += 1
        link.cut()


@asynccontextmanager
async def proxy(database_url: str) -> AsyncIterator[Proxy]:
    """Listen on a free port of this machine, in front of the Postgres at `database_url`, which has a Unix socket."""
    folder = parse_qs(urlsplit(database_url).query)["host"][0]
    made = Proxy(f"{folder}/.s.PGSQL.5432")
    made.flow()
    server = await asyncio.start_server(made.accept, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        made.flow()
        made.cut()
