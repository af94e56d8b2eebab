"""The way in for many rows: copied into the table itself, or into a temporary one, from which one statement takes them
on.

Copying costs the client less than half of what arrays as parameters cost.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import count
from struct import Struct

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

_BETWEEN = "\x1f"
TEXTS = """case when left($1, 1) = 'j' then array(select json_array_elements_text(substr($1, 2)::json))
            else string_to_array(substr($1, 2), chr(31)) end"""
"""Many texts as one parameter, made by `texts`. asyncpg asks two abstract classes for every element of an array, and
PostgreSQL cuts a text three times as fast as it reads JSON."""


def texts(values: Collection[str]) -> str:
    """The parameter of TEXTS."""
    text = _BETWEEN.join(values)
    if text.count(_BETWEEN) == len(values) - 1 and text:
        return f"t{text}"
    return f"j{msgspec.json.encode(list(values)).decode()}"


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


async def copy_text(conn: asyncpg.Connection, table: str, columns: Sequence[str], lines: Iterable[str]) -> None:
    """Put lines in the text form of COPY into columns of a table, with or without a schema before its name."""
    for part in _together([line.encode() for line in lines]):
        await _copy(conn, table, columns, b"".join(part), "text")


async def copy_binary(conn: asyncpg.Connection, table: str, columns: Sequence[str], rows: Iterable[bytes]) -> None:
    """The same with rows in the binary form, each as `binary_row` makes it."""
    for part in _together(rows):
        await _copy(conn, table, columns, b"".join((_BINARY_HEAD, *part, _BINARY_END)), "binary")


async def _copy(conn: asyncpg.Connection, table: str, columns: Sequence[str], content: bytes, form: str) -> None:
    schema, _, name = table.rpartition(".")
    source = memoryview(content)  # to asyncpg, bytes would be the name of a file
    await conn.copy_to_table(name, source=source, columns=columns, schema_name=schema or None, format=form)


_BINARY_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_BINARY_END = b"\xff\xff"
_SINCE = datetime(2000, 1, 1, tzinfo=UTC)

NULL = b"\xff\xff\xff\xff"
"""A field of the binary form that has no value. The form is PostgreSQL's own: COPY, "Binary Format"."""


def binary_row(*fields: bytes) -> bytes:
    """A row of the binary form."""
    return len(fields).to_bytes(2, "big") + b"".join(fields)


def binary_text(value: str) -> bytes:
    """A field of a text."""
    text = value.encode()
    return len(text).to_bytes(4, "big") + text


def binary_bytes(value: bytes) -> bytes:
    """A field of bytes."""
    return len(value).to_bytes(4, "big") + value


def binary_time(moment: datetime) -> bytes:
    """A field of a timestamptz: microseconds since 2000."""
    since = moment - _SINCE
    return _packed_time(8, (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)


def binary_smallint(value: int) -> bytes:
    """A field of a smallint."""
    return _packed_smallint(2, value)


_packed_time, _packed_smallint = Struct(">iq").pack, Struct(">ih").pack


def _together(rows: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The rows in order, so many at a time as one COPY takes; one that is larger stands alone."""
    part: list[bytes] = []
    size = 0
    for row in rows:
        size += len(row)
        if part and size > _COPY_LIMIT_BYTES:
            yield part
            part, size = [], len(row)
        part.append(row)
    if part:
        yield part


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
