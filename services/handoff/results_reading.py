"""Reads the handoffs of a period with what became of them."""

from collections import defaultdict
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from services.handoff.decide import Readiness
from services.handoff.facts import deals_of
from services.handoff.merges import members
from services.handoff.outcomes import Deal, attached
from services.handoff.results import Ended
from shared.db import driver


async def ended(conn: AsyncConnection, first: datetime | None, last: datetime | None) -> list[Ended]:
    """The handoffs made from `first` to `last` (no limit where None), in the order in which they were made.

    Deals are attached over all handoffs of a lead and of those merged into it, whenever they were made.
    """
    rows = await (await driver(conn)).fetch(
        """
        select h.handoff_id, h.lead_id, coalesce(l.merged_into, l.lead_id) as survivor, h.rep, h.owner, h.segment,
               h.policy_id || ' ' || h.policy_version as policy, h.created_at, h.status, h.return_reason,
               h.readiness::text, source.source,
               coalesce(h.created_at >= $1, true) and coalesce(h.created_at <= $2, true) as asked
        from handoff.handoffs h join handoff.leads l using (lead_id)
        left join lateral (
            select o.source from handoff.observations o where o.lead_id = h.lead_id
            order by o.observed_at, o.observation_id limit 1
        ) as source on true
        where coalesce(l.merged_into, l.lead_id) in (
            select coalesce(l.merged_into, l.lead_id) from handoff.handoffs h join handoff.leads l using (lead_id)
            where coalesce(h.created_at >= $1, true) and coalesce(h.created_at <= $2, true)
        )
        order by h.number
        """,
        first,
        last,
    )
    of_lead: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        of_lead[row["survivor"]].append(row)
    sold = await deals_of(conn, await members(conn, list(of_lead)))
    found = []
    for survivor, handoffs in of_lead.items():
        of_handoffs = attached([row["created_at"] for row in handoffs], sold[survivor])
        found += [_ended(row, of) for row, of in zip(handoffs, of_handoffs, strict=True) if row["asked"]]
    return sorted(found, key=lambda handoff: handoff.made_at)


def _ended(row: Any, sold: list[Deal]) -> Ended:
    readiness = msgspec.json.decode(row["readiness"], type=Readiness)
    return Ended(
        lead_id=row["lead_id"],
        by={
            "policy": row["policy"],
            "segment": row["segment"],
            "rep": row["rep"],
            "owner": row["owner"],
            "source": row["source"] or "",
        },
        made_at=row["created_at"],
        status=row["status"],
        reason=row["return_reason"],
        criteria=readiness.criteria,
        deals=sold,
    )
