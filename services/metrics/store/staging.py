"""The way in for many rows: copied into the table itself, or into a temporary one, from which one statement takes them
on.

Copying costs the client less than half of what arrays as parameters cost.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
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
    "incoming_leads": "lead text, state bytea",
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


async def copy_rows(
    conn: asyncpg.Connection, table: str, columns: Sequence[str], rows: Iterable[tuple[object, ...]]
) -> None:
    """Put rows into columns of a table, with a schema before its name."""
    schema, _, name = table.rpartition(".")
    for part in _parts(rows):
        await conn.copy_records_to_table(name, records=part, columns=columns, schema_name=schema)


async def copy_text(conn: asyncpg.Connection, table: str, columns: Sequence[str], lines: Sequence[str]) -> None:
    """Put lines in the text form of COPY into columns of a table, with or without a schema before its name."""
    schema, _, name = table.rpartition(".")
    for text in _texts(lines):
        source = memoryview(text)  # to asyncpg, bytes would be the name of a file
        await conn.copy_to_table(name, source=source, columns=columns, schema_name=schema or None, format="text")


def _texts(lines: Sequence[str]) -> Iterator[bytes]:
    """The lines in order, as much at a time as one COPY takes."""
    text = "".join(lines).encode()
    if len(text) <= _COPY_LIMIT_BYTES or len(lines) == 1:
        if text:
            yield text
        return
    middle = len(lines) // 2
    yield from _texts(lines[:middle])
    yield from _texts(lines[middle:])


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
