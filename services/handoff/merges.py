"""Leads that count as another one: what was told of merges, and who belongs together (docs/decisions/0012).

Facts stay with the lead that they are about. Whoever decides looks at a lead with all that were merged into it.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db import driver
from shared.events import Event, LeadMerged, LeadUnmerged
from shared.merges import survivors

MEMBERS = "select lead_id from handoff.leads where lead_id = $1 or merged_into = $1"
"""SQL: a lead and those that were merged into it."""


def is_told(event: Event) -> bool:
    """Whether an event says that a lead is another one, or is not."""
    return isinstance(event.data, LeadMerged | LeadUnmerged)


async def take(conn: AsyncConnection, events: Sequence[Event]) -> set[str]:
    """Keep of each lead what was told last in the order of events, and note whom everybody concerned counts as now.

    Returns the leads that have become, or were, part of another one or have others in them. The caller has seen to it
    that no other transaction takes events meanwhile.
    """
    told: dict[str, Event] = {}
    for event in events:
        if is_told(event) and (event.subject not in told or event.order > told[event.subject].order):
            told[event.subject] = event
    if not told:
        return set()
    connection = await driver(conn)
    await connection.execute(
        """
        insert into handoff.merges as m (lead_id, into_lead, time, source, id)
        select * from unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::text[])
        on conflict (lead_id) do update
        set into_lead = excluded.into_lead, time = excluded.time, source = excluded.source, id = excluded.id
        where (excluded.time, excluded.source collate "C", excluded.id collate "C")
              > (m.time, m.source collate "C", m.id collate "C")
        """,
        list(told),
        [event.data.into if isinstance(event.data, LeadMerged) else None for event in told.values()],
        *zip(*(event.order for event in told.values()), strict=True),
    )
    return await _settle(connection, set(told))


async def _settle(connection: Any, concerned: set[str]) -> set[str]:
    """Note the survivors of these leads and of all that merges tie to them, as they were and as they are."""
    rows = await connection.fetch(
        """
        with recursive tied as (
            select unnest($1::text[]) as lead_id
            union
            select other.lead_id from tied join lateral (
                select m.lead_id from handoff.merges m where m.into_lead = tied.lead_id
                union all
                select m.into_lead from handoff.merges m where m.lead_id = tied.lead_id and m.into_lead is not null
                union all
                select l.merged_into from handoff.leads l where l.lead_id = tied.lead_id and l.merged_into is not null
                union all
                select l.lead_id from handoff.leads l where l.merged_into = tied.lead_id
            ) other on true
        )
        select tied.lead_id, m.into_lead, m.time, m.source, m.id from tied left join handoff.merges m using (lead_id)
        """,
        list(concerned),
    )
    merges = {
        row["lead_id"]: ((row["time"], row["source"], row["id"]), row["into_lead"])
        for row in rows
        if row["into_lead"] is not None
    }
    ends = survivors(merges)
    tied = sorted(row["lead_id"] for row in rows)
    await connection.execute(
        """
        update handoff.leads l set merged_into = t.survivor
        from unnest($1::text[], $2::text[]) as t(lead_id, survivor)
        where l.lead_id = t.lead_id and l.merged_into is distinct from t.survivor
        """,
        tied,
        [ends.get(lead_id) for lead_id in tied],
    )
    return set(tied)


async def counting(conn: AsyncConnection, lead_ids: Iterable[str]) -> set[str]:
    """The leads that these count as."""
    rows = await (await driver(conn)).fetch(
        "select distinct coalesce(merged_into, lead_id) as survivor from handoff.leads where lead_id = any($1::text[])",
        list(lead_ids),
    )
    return {row["survivor"] for row in rows}


async def members(conn: AsyncConnection, lead_ids: Sequence[str]) -> dict[str, str]:
    """These leads and those that were merged into them -> which of these they count as."""
    rows = await (await driver(conn)).fetch(
        """
        select lead_id, coalesce(merged_into, lead_id) as survivor from handoff.leads
        where lead_id = any($1::text[]) or merged_into = any($1::text[])
        """,
        list(lead_ids),
    )
    return {row["lead_id"]: row["survivor"] for row in rows}
