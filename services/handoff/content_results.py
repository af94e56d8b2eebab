"""Which content precedes replies and appointments: of each use, whether the lead answered within some days."""

from datetime import datetime, timedelta

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from services.handoff.outcomes import share
from shared.db import driver


class ContentResult(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of content: how often it was used, for how many leads, and after how many of these uses the lead replied,
    or an appointment was set, within the days. A reply counts for every use before it."""

    kind: str
    content: str
    uses: int
    leads: int
    replied: int
    reply_rate: float | None
    appointments: int
    appointment_rate: float | None


class ContentResults(msgspec.Struct, frozen=True, kw_only=True):
    """The content that was used in a period, the most used first."""

    first: datetime | None
    last: datetime | None
    within_days: int
    items: list[ContentResult]


async def content_results(
    conn: AsyncConnection, first: datetime | None, last: datetime | None, within_days: int
) -> ContentResults:
    """What followed uses from `first` to `last` (no limit where None). Merged leads are one."""
    rows = await (await driver(conn)).fetch(_RESULTS, first, last, timedelta(days=within_days))
    items = [
        ContentResult(
            kind=row["kind"],
            content=row["content"],
            uses=row["uses"],
            leads=row["leads"],
            replied=row["replied"],
            reply_rate=share(row["replied"], row["uses"] - row["replied"]),
            appointments=row["appointments"],
            appointment_rate=share(row["appointments"], row["uses"] - row["appointments"]),
        )
        for row in rows
    ]
    return ContentResults(first=first, last=last, within_days=within_days, items=items)


_FOLLOWED = """
    exists (
        select from handoff.leads m join handoff.activities a using (lead_id)
        where (m.lead_id = u.lead or m.merged_into = u.lead) and a.counts and a.at > u.at and a.at <= u.at + $3
          and a.name = '{name}' and a.held ->> '{word}' = '{is_}'
    )
"""
_RESULTS = f"""
    select kind, content, count(*) as uses, count(distinct lead) as leads,
           count(*) filter (where replied) as replied, count(*) filter (where set) as appointments
    from (
        select u.*, {_FOLLOWED.format(name="touch", word="outcome", is_="replied")} as replied,
               {_FOLLOWED.format(name="appointment", word="status", is_="set")} as set
        from (
            select a.held ->> 'kind' as kind, a.held ->> 'content' as content, a.at,
                   coalesce(l.merged_into, l.lead_id) as lead
            from handoff.activities a join handoff.leads l using (lead_id)
            where a.name = 'content-used' and a.counts
              and coalesce(a.at >= $1, true) and coalesce(a.at <= $2, true)
        ) as u
    ) as used
    group by kind, content order by uses desc, kind, content
"""  # noqa: S608 - our own text
