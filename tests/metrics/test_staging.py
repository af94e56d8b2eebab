"""Rows on their way into PostgreSQL while the connection is lost."""

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest

from services.metrics.store.staging import new_load, stage
from shared.db import dsn
from shared.postgres import PrivatePostgres
from tests.conftest import private_folder

FAR_OFF_S = 30


@pytest.fixture
async def connection(module_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    conn = await asyncpg.connect(dsn(module_database_url))
    yield conn
    await conn.close()


@pytest.fixture
async def doomed() -> AsyncIterator[asyncpg.Connection]:
    """To a PostgreSQL of its own: when a backend is killed, all others are, too."""
    with private_folder() as folder, PrivatePostgres(folder) as url:
        conn = await asyncpg.connect(dsn(url))
        yield conn
        conn.terminate()


@pytest.mark.parametrize("row_bytes", [100_000, 1_000_000])
async def test_a_connection_that_is_lost_while_much_is_on_its_way_says_so(
    doomed: asyncpg.Connection, row_bytes: int
) -> None:
    """asyncpg waits for ever when it is lost while its buffer is full, and leaves an error to the event loop."""
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    server, load = doomed.get_server_pid(), new_load()
    await doomed.execute("begin")

    def rows() -> Iterator[tuple[int, str, bytes]]:
        for n in range(30):
            if n == 3:
                os.kill(server, signal.SIGSTOP)
            yield load, f"lead-{n}", bytes(row_bytes)

    staging = asyncio.create_task(stage(doomed, "incoming_leads", rows()))
    async with asyncio.timeout(FAR_OFF_S):
        await asyncio.wait([staging], timeout=0.5)
        assert not staging.done()
        os.kill(server, signal.SIGKILL)
        with pytest.raises(asyncpg.PostgresConnectionError, match="connection was closed"):
            await staging
    del staging
    gc.collect()
    assert told == []


async def test_much_is_staged_whole_and_in_order(connection: asyncpg.Connection) -> None:
    load = new_load()
    rows = [(load, f"導線{n}" * (n % 7), bytes([n % 256]) * (n * 1_000)) for n in range(100)]
    rows.append((load, "large", bytes(3_000_000)))
    async with connection.transaction():
        await stage(connection, "incoming_leads", iter(rows))
        stored = await connection.fetch("select load, lead, state from incoming_leads order by ctid")
    assert [tuple(row) for row in stored] == rows
