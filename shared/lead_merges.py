"""Leads that count as another one, in the schema of a service that follows the log: what was told of merges, and who
belongs together (docs/decisions/0012).

Facts stay with the lead that they are about. Whoever decides looks at a lead with all that were merged into it.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Column, DateTime, Index, MetaData, Table, Text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db import driver
from shared.events import Event, LeadMerged, LeadUnmerged
from shared.merges import survivors


def merges_table(metadata: MetaData, schema: str) -> Table:
    """`<schema>.merges`: of each lead what was told last, that it is another one or (null) that it is not."""
    return Table(
        "merges",
        metadata,
        Column("lead_id", Text, primary_key=True),
        Column("into_lead", Text),
        Column("time", DateTime(timezone=True), nullable=False),
        Column("source", Text, nullable=False),
        Column("id", Text, nullable=False),
        Index("merges_into", "into_lead"),
        schema=schema,
    )


def is_told(event: Event) -> bool:
    """Whether an event says that a lead is another one, or is not."""
    return isinstance(event.data, LeadMerged | LeadUnmerged)


class LeadMerges:
    """The merges in `<schema>.merges`, and whom each lead counts as in `<schema>.leads (lead_id, merged_into)`.

    members_sql: a lead (its parameter $1) and those that were merged into it.
    """

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self.members_sql = f"select lead_id from {schema}.leads where lead_id = $1 or merged_into = $1"  # noqa: S608 - ours

    async def take(self, conn: AsyncConnection, events: Sequence[Event]) -> set[str]:
        """Keep of each lead what was told last in the order of events, and note whom everybody concerned counts as now.

        Returns the leads that have become, or were, part of another one or have others in them. The caller has seen to
        it that no other transaction takes events meanwhile.
        """
        told: dict[str, Event] = {}
        for event in events:
            if is_told(event) and (event.subject not in told or event.order > told[event.subject].order):
                told[event.subject] = event
        if not told:
            return set()
        connection = await driver(conn)
        await connection.execute(
            f"""
            insert into {self._schema}.merges as m (lead_id, into_lead, time, source, id)
            select * from unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::text[])
            on conflict (lead_id) do update
            set into_lead = excluded.into_lead, time = excluded.time, source = excluded.source, id = excluded.id
            where (excluded.time, excluded.source collate "C", excluded.id collate "C")
                  > (m.time, m.source collate "C", m.id collate "C")
            """,  # noqa: S608 - the schema is ours
            list(told),
            [event.data.into if isinstance(event.data, LeadMerged) else None for event in told.values()],
            *zip(*(event.order for event in told.values()), strict=True),
        )
        return await self._settle(connection, set(told))

    async def _settle(self, connection: Any, concerned: set[str]) -> set[str]:
        """Note the survivors of these leads and of all that merges tie to them, as they were and as they are."""
        rows = await connection.fetch(
            f"""
            with recursive tied as (
                select unnest($1::text[]) as lead_id
                union
                select other.lead_id from tied join lateral (
                    select m.lead_id from {self._schema}.merges m where m.into_lead = tied.lead_id
                    union all
                    select m.into_lead from {self._schema}.merges m
                    where m.lead_id = tied.lead_id and m.into_lead is not null
                    union all
                    select l.merged_into from {self._schema}.leads l
                    where l.lead_id = tied.lead_id and l.merged_into is not null
                    union all
                    select l.lead_id from {self._schema}.leads l where l.merged_into = tied.lead_id
                ) other on true
            )
            select tied.lead_id, m.into_lead, m.time, m.source, m.id
            from tied left join {self._schema}.merges m using (lead_id)
            """,  # noqa: S608 - the schema is ours
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
            f"""
            update {self._schema}.leads l set merged_into = t.survivor
            from unnest($1::text[], $2::text[]) as t(lead_id, survivor)
            where l.lead_id = t.lead_id and l.merged_into is distinct from t.survivor
            """,  # noqa: S608 - the schema is ours
            tied,
            [ends.get(lead_id) for lead_id in tied],
        )
        return set(tied)

    async def counting(self, conn: AsyncConnection, lead_ids: Iterable[str]) -> set[str]:
        """The leads that these count as."""
        rows = await (await driver(conn)).fetch(
            f"""
            select distinct coalesce(merged_into, lead_id) as survivor from {self._schema}.leads
            where lead_id = any($1::text[])
            """,  # noqa: S608 - the schema is ours
            list(lead_ids),
        )
        return {row["survivor"] for row in rows}

    async def members(self, conn: AsyncConnection, lead_ids: Sequence[str]) -> dict[str, str]:
        """These leads and those that were merged into them -> which of these they count as."""
        rows = await (await driver(conn)).fetch(
            f"""
            select lead_id, coalesce(merged_into, lead_id) as survivor from {self._schema}.leads
            where lead_id = any($1::text[]) or merged_into = any($1::text[])
            """,  # noqa: S608 - the schema is ours
            list(lead_ids),
        )
        return {row["lead_id"]: row["survivor"] for row in rows}
