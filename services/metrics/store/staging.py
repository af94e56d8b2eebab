"""The way in for many rows: copied into a temporary table, from which one statement takes them on.

Copying costs the client less than half of what arrays as parameters cost.
"""

from collections.abc import Collection, Iterable, Iterator
from itertools import count

import asyncpg
import msgspec

_COPY_LIMIT_BYTES = 500_000
"""What one COPY takes at most. asyncpg writes up to 512 KiB at once and then waits until its buffer has room, for ever
if the connection is lost meanwhile: no timeout reaches it there. Less is written without waiting."""
_VALUE_BYTES = 20
"""A value of fixed size, or the length of one that has none, never takes more."""
_CHARACTER_BYTES = 4

_COLUMNS = {
    "incoming_events": """
        source text, id text, name text, time timestamptz, unit text, subject text, shard smallint,
        recorded_at timestamptz, data bytea, corrects_source text, corrects_id text
    """,
    "incoming_leads": "lead text, shard smallint, state bytea",
    "incoming_cells": """
        day date, dimensions integer, hour smallint, value bigint, shard smallint, n bigint, total text
    """,
}
_loads = count(1)

TEXTS = "array(select json_array_elements_text($1::json))"
"""Many texts as one parameter, made by `texts`. asyncpg asks two abstract classes for every element of an array."""


def texts(values: Collection[str]) -> str:
    """The parameter of TEXTS."""
    return msgspec.json.encode(values).decode()


def new_load() -> int:
    """What tells the rows of one `stage` from those of another in the same transaction."""
    return next(_loads)


async def stage(conn: asyncpg.Connection, table: str, rows: Iterable[tuple[object, ...]]) -> None:
    """Put rows, each with its load before its columns, into the table; they stay until the transaction ends."""
    await conn.execute(
        f"create temporary table if not exists {table} (load bigint, {_COLUMNS[table]}) on commit delete rows"
    )
    for part in _parts(rows):
        await conn.copy_records_to_table(table, records=part)


def _parts(rows: Iterable[tuple[object, ...]]) -> Iterator[list[tuple[object, ...]]]:
    """The rows in order, so many at a time as one COPY takes; a row that is larger stands alone."""
    part: list[tuple[object, ...]] = []
    size = 0
    for row in rows:
        row_size = _size_bytes(row)
        if part and size + row_size > _COPY_LIMIT_BYTES:
            yield part
            part, size = [], 0
        part.append(row)
        size += row_size
    if part:
        yield part


def _size_bytes(row: tuple[object, ...]) -> int:
    """What the row takes at most in a COPY."""
    size = _VALUE_BYTES * len(row)
    for value in row:
        if type(value) is str:
            size += _CHARACTER_BYTES * len(value)
        elif type(value) is bytes:
            size += len(value)
    return size
