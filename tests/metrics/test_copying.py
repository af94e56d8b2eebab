"""Rows on their way into PostgreSQL: they come in as they were, and who loses the connection is told."""

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from struct import Struct
from typing import Any

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.metrics.store.copying import (
    NULL,
    binary_bytes,
    binary_row,
    binary_smallint,
    binary_text,
    binary_time,
    copy_binary,
    copy_text,
)
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
@pytest.mark.parametrize("form", ["text", "binary"])
async def test_a_connection_that_is_lost_while_much_is_on_its_way_says_so(
    doomed: asyncpg.Connection, row_bytes: int, form: str
) -> None:
    """asyncpg waits for ever when it is lost while its buffer is full, and leaves an error to the event loop."""
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    server = doomed.get_server_pid()
    await doomed.execute("create table t (lead text)")
    await doomed.execute("begin")

    def leads() -> Iterator[str]:
        for n in range(30):
            if n == 3:
                os.kill(server, signal.SIGSTOP)
            yield str(n % 10) * row_bytes

    if form == "text":
        copied = copy_text(doomed, "t", ("lead",), (f"{lead}\n" for lead in leads()))
    else:
        copied = copy_binary(doomed, "t", ("lead",), (binary_row(binary_text(lead)) for lead in leads()))
    copying = asyncio.create_task(copied)
    async with asyncio.timeout(FAR_OFF_S):
        await asyncio.wait([copying], timeout=0.5)
        assert not copying.done()
        os.kill(server, signal.SIGKILL)
        with pytest.raises(asyncpg.PostgresConnectionError, match="connection was closed"):
            await copying
    del copied, copying
    gc.collect()
    assert told == []


def test_rows_in_binary_form_are_what_they_were(runner: asyncio.Runner, module_database_url: str) -> None:
    async def told(rows: list[tuple[str, int, datetime, bytes, str | None]]) -> list[tuple[Any, ...]]:
        conn = await asyncpg.connect(dsn(module_database_url))
        try:
            await conn.execute("create temporary table t (a text, b smallint, c timestamptz, d bytea, e text)")
            packed = [
                binary_row(
                    binary_text(a),
                    binary_smallint(b),
                    binary_time(c),
                    binary_bytes(d),
                    NULL if e is None else binary_text(e),
                )
                for a, b, c, d, e in rows
            ]
            await copy_binary(conn, "t", ("a", "b", "c", "d", "e"), packed)
            return [tuple(row) for row in await conn.fetch("select * from t order by ctid")]
        finally:
            await conn.close()

    moments = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
    words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
    row = st.tuples(words, st.integers(-(2**15), 2**15 - 1), moments, st.binary(), st.none() | words)

    @settings(max_examples=100, deadline=None)
    @given(st.lists(row, max_size=5))
    def each(rows: list[tuple[str, int, datetime, bytes, str | None]]) -> None:
        assert runner.run(told(rows)) == rows

    each()


async def test_much_is_copied_whole_and_in_order(connection: asyncpg.Connection) -> None:
    await connection.execute("create temporary table t (n int, text text, state bytea)")
    rows = [(n, f"導線{n}", bytes([n % 256]) * (n * 1_000)) for n in range(100)] + [(100, "large", bytes(3_000_000))]
    number = Struct(">ii").pack
    packed = [binary_row(number(4, n), binary_text(text), binary_bytes(state)) for n, text, state in rows]
    await copy_binary(connection, "t", ("n", "text", "state"), packed)
    assert [tuple(row) for row in await connection.fetch("select n, text, state from t order by ctid")] == rows
    await connection.execute("truncate t")
    await copy_text(connection, "t", ("n", "text"), (f"{n}\t{'x' * 20_000}\n" for n in range(100)))
    assert await connection.fetchval("select array_agg(n order by ctid) from t") == list(range(100))
    await connection.execute("drop table t")
