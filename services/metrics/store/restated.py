"""What a restatement reads beside what everybody reads."""

from collections.abc import AsyncIterator
from datetime import datetime

import asyncpg

FETCH = 1_000


async def groups_told_of_after(conn: asyncpg.Connection, moment: datetime, first: str) -> AsyncIterator[str]:
    """The groups, in order and from `first` on, of which anything was recorded after a moment: an event, a correction
    of one, a correction of that, and so on. Streamed: there may be as many as there are leads."""
    rows = conn.cursor(
        """
        with recursive corrected (source, id) as (
            select corrects_source, corrects_id from metrics.events
            where corrects_source is not null and recorded_at > $1
            union
            select e.corrects_source, e.corrects_id from corrected join metrics.events e using (source, id)
            where e.corrects_source is not null
        )
        select lead from metrics.events
        where corrects_source is null and lead >= $2 and lead <> '' and recorded_at > $1
        union
        select e.lead from corrected join metrics.events e using (source, id)
        where e.corrects_source is null and e.lead >= $2 and e.lead <> ''
        order by lead
        """,
        moment,
        first,
        prefetch=FETCH,
    )
    async for row in rows:
        yield row["lead"]


async def sees_all_dimensions(conn: asyncpg.Connection, cells: str) -> bool:
    """Whether the rows of dimensions of all these cells are there in this transaction's snapshot."""
    seen: bool = await conn.fetchval(
        f"""
        select not exists (
            select from (select distinct dimensions from {cells}) c
            where not exists (select from metrics.dimensions d where d.id = c.dimensions)
        )
        """  # noqa: S608 (the table is one of ours)
    )
    return seen
