"""A server that says goodbye between two statements and only then closes the socket: an outage, no mistake of ours."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db import DatabaseUnavailable, connect, driver, transaction
from shared.settings import Settings
from tests.faults.proxy import TcpProxy, proxied, through

_FIELDS = b"SFATAL\0VFATAL\0C57P02\0Mterminating connection because of crash of another server process\0\0"
_LAST_WORDS = b"E" + (4 + len(_FIELDS)).to_bytes(4, "big") + _FIELDS


@pytest.mark.parametrize("with_driver", [True, False])
async def test_last_words_between_two_statements_are_an_outage(database_url: str, with_driver: bool) -> None:
    async def hear(engine: AsyncEngine, proxy: TcpProxy) -> None:
        async with transaction(engine) as conn:
            raw = await driver(conn)
            proxy.say(_LAST_WORDS)
            await asyncio.sleep(0.2)  # the words arrive while no answer is awaited, and the socket stays open
            if with_driver:
                await raw.execute("select 1")
            else:
                await conn.execute(text("select 1"))

    with proxied(database_url) as proxy:
        engine = connect(Settings(database_url=through(proxy, database_url)), "test")
        try:
            with pytest.raises(DatabaseUnavailable):
                await hear(engine, proxy)
            async with transaction(engine) as conn:  # on a fresh connection
                assert await (await driver(conn)).fetchval("select 1") == 1
        finally:
            await engine.dispose()
