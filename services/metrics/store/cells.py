"""Cells, and the rows of dimensions that they stand for."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import asyncpg
import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from services.metrics.contributions.facts import Contributions, Dimensions
from services.metrics.store.staging import new_load, stage
from shared.db import driver, transaction


class DimensionIds:
    """Ids of dimension rows, remembered once they are committed, so a remembered id is there."""

    def __init__(self) -> None:
        self._ids: dict[Dimensions, int] = {}

    def missing(self, wanted: Iterable[Dimensions]) -> list[Dimensions]:
        """Those that are not remembered yet."""
        return [d for d in dict.fromkeys(wanted) if d not in self._ids]

    def remember(self, made: Mapping[Dimensions, int]) -> None:
        """Take ids of committed rows."""
        self._ids |= made

    def __getitem__(self, dimensions: Dimensions) -> int:
        return self._ids[dimensions]


def _key(dimensions: Dimensions) -> bytes:
    return hashlib.blake2b(msgspec.msgpack.encode(dimensions), digest_size=16).digest()


async def ensure_dimensions(engine: AsyncEngine, ids: DimensionIds, changes: Iterable[Contributions]) -> None:
    """Have an id for the dimensions of all changes, in a transaction of its own: others wait for no batch."""
    missing = ids.missing(fact.dimensions for change in changes for fact, _ in change)
    if missing:
        async with transaction(engine) as conn:
            made = await _find_or_make(await driver(conn), missing)
        ids.remember(made)


async def _find_or_make(conn: asyncpg.Connection, missing: Sequence[Dimensions]) -> Mapping[Dimensions, int]:
    keys = [_key(d) for d in missing]
    columns = [list(column) for column in zip(*missing, strict=True)]
    names = ", ".join(Dimensions._fields)
    arrays = ", ".join(f"${n}::text[]" for n in range(1, len(columns) + 1))
    await conn.execute(
        f"""
        insert into metrics.dimensions ({names}, key)
        select * from unnest({arrays}, ${len(columns) + 1}::bytea[]) on conflict (key) do nothing
        """,  # noqa: S608 (the names are the fields of our own tuple)
        *columns,
        keys,
    )
    rows = await conn.fetch("select id, key from metrics.dimensions where key = any($1::bytea[])", keys)
    ids = {row["key"]: row["id"] for row in rows}
    return {d: ids[key] for d, key in zip(missing, keys, strict=True)}


async def add_cells(
    conn: asyncpg.Connection, table: str, changes: Mapping[int, Contributions], ids: DimensionIds
) -> None:
    """Add changes, by shard, to cells; in one order for all writers."""
    load = new_load()
    rows = [
        (load, day, ids[dimensions], hour, value, shard, n, str(total))
        for shard, change in changes.items()
        for (dimensions, day, hour, value), (n, total) in change
    ]
    if not rows:
        return
    rows.sort()
    await stage(conn, "incoming_cells", rows)
    await conn.execute(
        f"""
        insert into {table} as held (day, dimensions, hour, value, shard, n, total)
        select day, dimensions, hour, value, shard, n, total::numeric from incoming_cells where load = $1
        on conflict (day, dimensions, hour, value, shard)
        do update set n = held.n + excluded.n, total = held.total + excluded.total
        """,  # noqa: S608 (the table is one of ours)
        load,
    )
