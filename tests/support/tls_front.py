"""TLS in front of a Postgres that has none (the embedded build is without): what a pooler or a cloud's proxy does.

Whoever does not ask for TLS first is refused as Postgres refuses, so that nothing comes in the clear.
"""

import asyncio
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

_WANTS_TLS = struct.pack("!ii", 8, 80877103)
_WANTS_GSS = struct.pack("!ii", 8, 80877104)
_REFUSAL = b"SFATAL\0VFATAL\0C28000\0Mno pg_hba.conf entry for this host, no encryption\0\0"


@contextmanager
def tls_front(certificate: Path, key: Path, socket_file: Path) -> Iterator[int]:
    """Listen on a free port of this machine, in a thread of its own; give the port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    loop = asyncio.new_event_loop()
    front = _Front(context, socket_file)
    server = loop.run_until_complete(asyncio.start_server(front.serve, "127.0.0.1", 0))
    port: int = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        with closing(loop):
            loop.run_until_complete(front.end())


class _Front:
    def __init__(self, context: ssl.SSLContext, socket_file: Path) -> None:
        self._context, self._socket_file = context, socket_file
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._forward(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def end(self) -> None:
        """Break off what is left."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (asked := await reader.readexactly(8)) == _WANTS_GSS:
            writer.write(b"N")
        if asked != _WANTS_TLS:
            writer.write(b"E" + struct.pack("!i", 4 + len(_REFUSAL)) + _REFUSAL)
            await writer.drain()
            return
        writer.write(b"S")
        await writer.start_tls(self._context)
        from_postgres, to_postgres = await asyncio.open_unix_connection(self._socket_file)
        try:
            ways = [
                asyncio.ensure_future(_copy(reader, to_postgres)),
                asyncio.ensure_future(_copy(from_postgres, writer)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            to_postgres.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
