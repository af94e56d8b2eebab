"""Which units are counted as one group, and what ties them."""

from collections.abc import Collection, Iterable

import asyncpg

from services.metrics.contributions.units import Tie
from shared.text_arrays import text_array, texts


async def groups_of(conn: asyncpg.Connection, units: Collection[str]) -> dict[str, str]:
    """Unit -> name of its group; a unit that stands alone is not in the answer."""
    statement = f"select unit, name from metrics.groups where unit = any({text_array(1)})"  # noqa: S608 - our own text
    rows = await conn.fetch(statement, texts(units))
    return {row["unit"]: row["name"] for row in rows}


async def members_of(conn: asyncpg.Connection, names: Collection[str]) -> dict[str, set[str]]:
    """Name of a group -> its units; what is no group has no entry."""
    statement = f"select unit, name from metrics.groups where name = any({text_array(1)})"  # noqa: S608 - our own text
    rows = await conn.fetch(statement, texts(names))
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["name"], set()).add(row["unit"])
    return found


async def has_new(conn: asyncpg.Connection, ties: Collection[Tie]) -> bool:
    """Whether any of the ties is not known yet."""
    found: bool = await conn.fetchval(
        """
        select exists (
            select from unnest($1::text[], $2::text[]) as t(tie, unit)
            where not exists (select from metrics.ties k where k.tie = t.tie and k.unit = t.unit)
        )
        """,
        [tie for tie, _ in ties],
        [unit for _, unit in ties],
    )
    return found


async def add_ties(conn: asyncpg.Connection, ties: Collection[Tie]) -> list[frozenset[str]]:
    """Remember ties; for each thing shared, all units that tell of it."""
    await conn.execute(
        "insert into metrics.ties (tie, unit) select * from unnest($1::text[], $2::text[]) on conflict do nothing",
        [tie for tie, _ in ties],
        [unit for _, unit in ties],
    )
    rows = await conn.fetch(
        "select array_agg(unit) as units from metrics.ties where tie = any($1::text[]) group by tie",
        sorted({tie for tie, _ in ties}),
    )
    return [frozenset(row["units"]) for row in rows]


async def join_groups(conn: asyncpg.Connection, name: str, units: Iterable[str], old: Collection[str]) -> None:
    """Make one group of the units: their events move to it, and the digests of what they were before are gone."""
    others = [other for other in old if other != name]
    await conn.execute(
        """
        insert into metrics.groups (unit, name) select unnest($1::text[]), $2
        on conflict (unit) do update set name = excluded.name
        """,
        sorted(units),
        name,
    )
    await conn.execute("update metrics.events set lead = $1 where lead = any($2::text[])", name, others)
    for table in ("metrics.leads", "metrics.leads_2"):
        await conn.execute(f"delete from {table} where lead = any($1::text[])", [*others, name])  # noqa: S608
