"""A server that says goodbye between two statements and only then closes the socket: an outage, no mistake of ours."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db import DatabaseUnavailable, connect, driver, transaction
from shared.settings import Settings

_FIELDS = b"SFATAL\0VFATAL\0C57P02\0Mterminating connection because of crash of another server process\0\0"
_LAST_WORDS = b"E" + (4 + len(_FIELDS)).to_bytes(4, "big") + _FIELDS


class Proxy:
    """Passes bytes between clients and PostgreSQL; `say` adds some of its own to what the clients get."""

    def __init__(self, database_url: str) -> None:
        self._at = urlsplit(database_url)
        self._clients: list[asyncio.StreamWriter] = []
        self._ends: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def run(self) -> AsyncIterator[str]:
        """The address to use instead."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        user = self._at.netloc.rpartition("@")[0]
        try:
            yield self._at._replace(netloc=f"{user}@127.0.0.1:{port}", query="").geturl()
        finally:
            server.close()
            for end in self._ends:
                end.cancel()
            await asyncio.gather(*self._ends, return_exceptions=True)

    def say(self, words: bytes) -> None:
        """Send bytes to every client."""
        for client in self._clients:
            client.write(words)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        folder = parse_qs(self._at.query).get("host", [""])[0]
        if folder.startswith("/"):
            server_reader, server_writer = await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.5432")
        else:
            server_reader, server_writer = await asyncio.open_connection(self._at.hostname, self._at.port or 5432)
        self._clients.append(writer)
        self._ends.append(asyncio.create_task(_pass(reader, server_writer)))
        self._ends.append(asyncio.create_task(_pass(server_reader, writer)))


async def _pass(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while some := await source.read(65_536):
            target.write(some)
            await target.drain()
    finally:
        target.close()


@pytest.mark.parametrize("with_driver", [True, False])
async def test_last_words_between_two_statements_are_an_outage(database_url: str, with_driver: bool) -> None:
    proxy = Proxy(database_url)

    async def hear(engine: AsyncEngine) -> None:
        async with transaction(engine) as conn:
            raw = await driver(conn)
            proxy.say(_LAST_WORDS)
            await asyncio.sleep(0.2)  # the words arrive while no answer is awaited, and the socket stays open
            if with_driver:
                await raw.execute("select 1")
            else:
                await conn.execute(text("select 1"))

    async with proxy.run() as url:
        engine = connect(Settings(database_url=url), "test")
        try:
            with pytest.raises(DatabaseUnavailable):
                await hear(engine)
            async with transaction(engine) as conn:  # on a fresh connection
                assert await (await driver(conn)).fetchval("select 1") == 1
        finally:
            await engine.dispose()
