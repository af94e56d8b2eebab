"""A server that says goodbye between two statements and only then closes the socket: an outage, no mistake of ours."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.metrics.store.copying import binary_row, binary_text, copy_binary
from shared.db import DatabaseUnavailable, connect, driver, transaction
from shared.serve import telling_unhandled
from shared.settings import Settings
from tests.faults.proxy import TcpProxy, proxied, through

_FIELDS = b"SFATAL\0VFATAL\0C57P02\0Mterminating connection because of crash of another server process\0\0"
_LAST_WORDS = b"E" + (4 + len(_FIELDS)).to_bytes(4, "big") + _FIELDS


async def by_driver(_: AsyncConnection, raw: asyncpg.Connection) -> None:
    await raw.execute("select 1")


async def by_sqlalchemy(conn: AsyncConnection, _: asyncpg.Connection) -> None:
    await conn.execute(text("select 1"))


async def by_copy(_: AsyncConnection, raw: asyncpg.Connection) -> None:
    await raw.execute("create temporary table if not exists leads_of_test (lead text)")
    await by_copy_alone(_, raw)


async def by_copy_alone(_: AsyncConnection, raw: asyncpg.Connection) -> None:
    await copy_binary(raw, "leads_of_test", ("lead",), [binary_row(binary_text("lead"))])


@pytest.fixture
async def unhandled() -> AsyncIterator[list[Any]]:
    """What a service logs of what nobody handles."""
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    with structlog.testing.capture_logs() as logs:
        loop.set_exception_handler(telling_unhandled(structlog.get_logger()))
        yield logs
    loop.set_exception_handler(before)


@pytest.mark.parametrize("speak", [by_driver, by_sqlalchemy, by_copy, by_copy_alone])
async def test_last_words_between_two_statements_are_an_outage(
    database_url: str,
    speak: Callable[[AsyncConnection, asyncpg.Connection], Awaitable[None]],
    unhandled: list[Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def hear(engine: AsyncEngine, proxy: TcpProxy) -> None:
        async with transaction(engine) as conn:
            raw = await driver(conn)
            await by_copy(conn, raw)  # what it needs is prepared
            proxy.say(_LAST_WORDS)
            await asyncio.sleep(0.2)  # the words arrive while no answer is awaited, and the socket stays open
            await speak(conn, raw)

    with proxied(database_url) as proxy:
        engine = connect(Settings(database_url=through(proxy, database_url)), "test")
        try:
            with pytest.raises(DatabaseUnavailable):
                await hear(engine, proxy)
            async with transaction(engine) as conn:  # on a fresh connection
                assert await (await driver(conn)).fetchval("select 1") == 1
        finally:
            await engine.dispose()
    gc.collect()
    assert [entry["log_level"] for entry in unhandled] == (["info"] if speak is by_copy_alone else [])
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_mistake_that_nobody_awaits_is_an_error(unhandled: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    future = asyncio.get_running_loop().create_future()
    future.set_exception(ValueError("a mistake"))
    del future
    gc.collect()
    assert unhandled == []
    assert [record.levelname for record in caplog.records if "a mistake" in str(record.exc_info)] == ["ERROR"]
