"""A lead as outreach sees it: with those merged into it, its believed values, and whether it may be written to."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from services.outreach.facts import consents_of, merges, observations
from services.outreach.permission import Standing, standing
from services.outreach.problems import erased_lead, unknown_lead
from shared.db import driver
from shared.events import Observation
from shared.fields import FieldRegistry, believed_of_merged


@dataclass(frozen=True)
class Lead:
    """`lead_id`: of the lead that it counts as. `values`: the believed observation of each field."""

    lead_id: str
    values: dict[str, Observation]
    standing: Standing


async def known_lead(conn: AsyncConnection, registry: FieldRegistry, lead_id: str) -> Lead:
    """The lead, or the one that it counts as. Raises Problem 404, and 410 when it was erased."""
    row = await (await driver(conn)).fetchrow(
        """
        select lead_id, erased_at from outreach.leads
        where lead_id = (select coalesce(merged_into, lead_id) from outreach.leads where lead_id = $1)
          and (known_at is not null or erased_at is not null)
        """,
        lead_id,
    )
    if row is None:
        raise unknown_lead(lead_id)
    if row["erased_at"] is not None:
        raise erased_lead()
    survivor: str = row["lead_id"]
    of = await merges.members(conn, [survivor])
    said = (await observations.of(conn, of))[survivor]
    return Lead(
        survivor,
        believed_of_merged(registry, said.own, said.merged),
        standing(await consents_of(conn, list(of))),
    )
