"""Cells, and the rows of dimensions that they stand for.

The tables of cells are ledgers: rows are entered and never changed, and the rows of a cell add up to it. So who counts
finds no rows, waits for none and leaves none behind.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import asyncpg
import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from services.metrics.contributions.facts import Contributions, Dimensions
from services.metrics.store.copying import copy_text
from services.metrics.store.sides import Side
from shared.db import driver, transaction


class DimensionIds:
    """Ids of dimension rows, remembered once they are committed, so a remembered id is there."""

    def __init__(self) -> None:
        self._ids: dict[Dimensions, int] = {}

    def missing(self, wanted: Iterable[Dimensions]) -> list[Dimensions]:
        """Those that are not remembered yet."""
        return list(dict.fromkeys(d for d in wanted if d not in self._ids))

    def remember(self, made: Mapping[Dimensions, int]) -> None:
        """Take ids of committed rows."""
        self._ids |= made

    def __getitem__(self, dimensions: Dimensions) -> int:
        return self._ids[dimensions]


def _key(dimensions: Dimensions) -> bytes:
    return hashlib.blake2b(msgspec.msgpack.encode(dimensions), digest_size=16).digest()


async def ensure_dimensions(engine: AsyncEngine, ids: DimensionIds, change: Contributions) -> None:
    """Have an id for the dimensions of a change, in a transaction of its own: others wait for no batch."""
    # By identity first: they are remembered (`of_lead`), few are many facts', and to hash them takes its time.
    missing = ids.missing({id(fact[0]): fact[0] for fact, _ in change}.values())
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


async def add_cells(conn: asyncpg.Connection, table: str, change: Contributions, ids: DimensionIds) -> None:
    """Enter a change of cells: a row for each. A cell is the sum of its rows; `settle_day` makes one of many."""
    days: dict[date, str] = {}
    rows = [
        f"{days.get(day) or days.setdefault(day, day.isoformat())}\t{ids[dimensions]}\t{hour}\t{value}\t{n}\t{total}\n"
        for (dimensions, day, hour, value), (n, total) in change
    ]
    await copy_text(conn, table, ("day", "dimensions", "hour", "value", "n", "total"), rows)


async def settle_day(conn: asyncpg.Connection, side: Side, day: date) -> int:
    """Make one row of each cell of a day, where the rows are more than twice the cells; how many rows that saves.

    Others enter rows meanwhile, and what they enter is left as it is: only what is deleted here is entered again. The
    caller holds the set (`hold_shown`), since nobody may empty the table beside this.
    """
    saved: int = await conn.fetchval(
        f"""
        with counted as (
            select count(*) as rows, count(distinct (dimensions, hour, value)) as cells from {side.cells} where day = $1
        ), taken as (
            delete from {side.cells} where day = $1 and (select rows > 2 * cells from counted)
            returning dimensions, hour, value, n, total
        ), entered as (
            insert into {side.cells} (day, dimensions, hour, value, n, total)
            select $1, dimensions, hour, value, sum(n), sum(total) from taken
            group by dimensions, hour, value having sum(n) <> 0 or sum(total) <> 0
            returning 1
        )
        select (select count(*) from taken) - (select count(*) from entered)
        """,  # noqa: S608 (the table is one of ours)
        day,
    )
    return saved


async def day_after(conn: asyncpg.Connection, side: Side, day: date) -> date | None:
    """The next day after this one that has cells; None when there is none."""
    found: date | None = await conn.fetchval(f"select min(day) from {side.cells} where day > $1", day)  # noqa: S608
    return found
