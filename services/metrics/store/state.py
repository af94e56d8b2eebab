"""What is remembered about the numbers as a whole: teams, by which rules they were made, how far they are."""

from datetime import date
from typing import Final

import asyncpg

from services.metrics.store.changes import note_anew
from shared.config.team import Team

SCHEMA: Final = "metrics"


async def set_membership(conn: asyncpg.Connection, team: Team) -> None:
    """Replace the rows by which queries cut teams: who is in which team from which day to which, both inclusive."""
    await conn.execute("lock table metrics.membership in share row exclusive mode")
    await conn.execute("delete from metrics.membership")
    await conn.executemany(
        "insert into metrics.membership (rep, team, from_day, to_day) values ($1, $2, $3, $4)",
        [(m.id, m.team, m.from_, m.to) for m in team.members],
    )
    await note_anew(conn)


async def membership(conn: asyncpg.Connection) -> list[tuple[str, str, date, date]]:
    """Rep, team, first and last day: the teams as queries cut them, whatever file this process was started with."""
    return [tuple(row) for row in await conn.fetch("select rep, team, from_day, to_day from metrics.membership")]


async def count_rebuild(conn: asyncpg.Connection) -> None:
    """The numbers were made anew."""
    await conn.execute(
        """
        insert into metrics.meta values ('rebuilds', '1')
        on conflict (name) do update set value = (meta.value::bigint + 1)::text
        """
    )


async def as_of(conn: asyncpg.Connection) -> tuple[int, dict[str, int]]:
    """Distinct events taken in, and next offset per `<topic>/<partition>`."""
    rows = await conn.fetch(
        "select topic, partition, next_offset, processed from metrics.positions order by topic, partition"
    )
    return sum(r["processed"] for r in rows), {f"{r['topic']}/{r['partition']}": r["next_offset"] for r in rows}


async def state_number(conn: asyncpg.Connection) -> int:
    """A number that changes whenever a batch was taken in or the numbers were made anew."""
    number: int = await conn.fetchval(
        """
        select (select coalesce(sum(next_offset), 0) from metrics.positions)::bigint
             + (select coalesce(sum(value::bigint), 0) from metrics.meta where name = 'rebuilds')::bigint * 4294967296
        """
    )
    return number
