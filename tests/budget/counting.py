"""Counts operations instead of time: they are the same on every machine and under any load."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db import driver, transaction


class Calls:
    """Calls of functions, Python's and C's, while a block runs."""

    def __init__(self) -> None:
        self.made = 0

    def _note(self, _frame: FrameType, kind: str, _argument: Any) -> None:
        if kind in ("call", "c_call"):
            self.made += 1


@contextmanager
def counting_calls() -> Iterator[Calls]:
    """In this thread."""
    calls, before = Calls(), sys.getprofile()
    sys.setprofile(calls._note)
    try:
        yield calls
    finally:
        sys.setprofile(before)


class Steps:
    """Instructions of Python's own machine (bytecodes) while a block runs; what C code does is one of them."""

    def __init__(self) -> None:
        self.made = 0

    def _note(self, frame: FrameType, kind: str, _argument: Any) -> Callable[..., Any]:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        self.made += kind == "opcode"
        return self._note


@contextmanager
def counting_steps() -> Iterator[Steps]:
    """In this thread, of functions that are called in the block."""
    steps, before = Steps(), sys.gettrace()
    sys.settrace(steps._note)
    try:
        yield steps
    finally:
        sys.settrace(before)


@contextmanager
def counting_statements(engine: AsyncEngine) -> Iterator[list[str]]:
    """The SQL of the statements that connections made from now on send (COPY aside), as they are sent."""
    sent: list[str] = []

    def note(query: Any) -> None:
        sent.append(query.query)

    def connected(connection: Any, _record: Any) -> None:
        connection.driver_connection.add_query_logger(note)

    event.listen(engine.sync_engine, "connect", connected)
    try:
        yield sent
    finally:
        event.remove(engine.sync_engine, "connect", connected)


_OTHERS = """
select count(*) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid()
    and application_name = current_setting('application_name')
"""


async def rows_written(engine: AsyncEngine, schema: str, work: Callable[[], Awaitable[object]]) -> Mapping[str, int]:
    """How many rows of each table of the schema some work inserts, updates and deletes."""
    before = await _written(engine, schema)
    await work()
    after = await _written(engine, schema)
    return {table: n - before.get(table, 0) for table, n in after.items() if n > before.get(table, 0)}


async def _written(engine: AsyncEngine, schema: str) -> dict[str, int]:
    """Rows so far. A server's process tells what it has written when it ends at the latest, so all of them do."""
    await engine.dispose()
    async with transaction(engine) as conn:
        raw = await driver(conn)
        while await raw.fetchval(_OTHERS):  # noqa: ASYNC110 - they are other processes
            await asyncio.sleep(0.01)
        rows = await raw.fetch(
            "select relname, n_tup_ins + n_tup_upd + n_tup_del as n from pg_stat_user_tables where schemaname = $1",
            schema,
        )
    return {row["relname"]: row["n"] for row in rows}
