"""Decides whether a lead may be handed to sales, from what is known of it now. `shared.policy` holds the logic."""

from datetime import datetime, tzinfo
from typing import NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from services.handoff import policies
from services.handoff.facts import observations_of
from services.handoff.problems import erased_lead, unknown_lead
from shared.db import driver
from shared.events import Observation, PolicyVersion
from shared.fields import FieldRegistry, believed_of_merged, voices
from shared.periods import business_date
from shared.policy import CriterionResult, Missing, Verdict, decide, fields_of
from shared.view import LeadView


class AsOf(msgspec.Struct, frozen=True):
    """How much of the log an answer rests on: the lead's events, and the next offsets of its shard's partitions."""

    events: int
    last_event_at: datetime
    positions: dict[str, int]


class Readiness(msgspec.Struct, frozen=True):
    """Whether a lead may be handed over, why, and what is still to be asked."""

    lead_id: str
    stage: str
    cycle: int
    policy: PolicyVersion
    segment: str
    decision: Verdict
    criteria: list[CriterionResult]
    missing: list[Missing]
    as_of: AsOf


class Considered(NamedTuple):
    """A decision with what it was made from."""

    readiness: Readiness
    policy: policies.Version
    values: dict[str, Observation]


class Lead(NamedTuple):
    """A lead's row, and the leads that were merged into it."""

    lead_id: str
    stage: str
    cycle: int
    as_of: AsOf
    merged: list[str]


async def known_lead(conn: AsyncConnection, lead_id: str, *, lock: bool = False) -> Lead:
    """The lead, or the one that it counts as; its row is locked until the transaction ends if asked.

    Raises Problem 404, and 410 when it was erased.
    """
    while True:
        held = await _hold(conn, lead_id) if lock else None
        lead = await _read(conn, lead_id)
        if not lock or held == lead.lead_id:
            return lead  # else leads were merged, or parted, while this waited for the row


async def _hold(conn: AsyncConnection, lead_id: str) -> str | None:
    """Lock the row of the lead that this one counts as; its id. What is known is read afterwards, since a statement
    that has waited still sees other rows as they were before."""
    statement = f"select lead_id from handoff.leads where {_COUNTS_AS} for update"  # noqa: S608 - our own text
    held: str | None = await (await driver(conn)).fetchval(statement, lead_id)
    return held


_COUNTS_AS = "lead_id = (select coalesce(merged_into, lead_id) from handoff.leads where lead_id = $1)"


async def _read(conn: AsyncConnection, lead_id: str) -> Lead:
    row = await (await driver(conn)).fetchrow(
        f"""
        select l.lead_id, l.stage, l.cycle, l.events, l.last_event_at, l.erased_at,
               array(select m.lead_id from handoff.leads m where m.merged_into = l.lead_id) as merged,
               (select json_object_agg(p.topic || '/' || p.partition, p.next_offset order by p.topic)::text
                from handoff.positions p where p.partition = l.shard) as positions
        from handoff.leads l where l.{_COUNTS_AS} and l.stage is not null
        """,  # noqa: S608 - put together from words of our own
        lead_id,
    )
    if row is None:
        raise unknown_lead(lead_id)
    if row["erased_at"] is not None:
        raise erased_lead()
    positions = msgspec.json.decode(row["positions"] or "{}", type=dict[str, int])
    as_of = AsOf(row["events"], row["last_event_at"], positions)
    return Lead(row["lead_id"], row["stage"], row["cycle"], as_of, row["merged"])


async def consider(
    conn: AsyncConnection, registry: FieldRegistry, lead: Lead, now: datetime, zone: tzinfo, *, whole: bool = True
) -> Considered:
    """What the policy in force says about the lead at this moment; unless `whole`, of its values only those that the
    policy looks at."""
    policy = await policies.deciding(conn, business_date(now, zone))
    fields = None if whole else {*fields_of(policy.policy), *policy.policy.unknown_segment.ask}
    said = (await observations_of(conn, dict.fromkeys([lead.lead_id, *lead.merged], lead.lead_id), fields))[
        lead.lead_id
    ]
    values = believed_of_merged(registry, said.own, said.merged)
    others = voices(registry, [*said.own, *said.merged])
    decision = decide(policy.policy, LeadView(registry, values, now=now), others)
    readiness = Readiness(
        lead_id=lead.lead_id,
        stage=lead.stage,
        cycle=lead.cycle,
        policy=policy.ref,
        segment=decision.segment,
        decision=decision.decision,
        criteria=decision.criteria,
        missing=decision.missing,
        as_of=lead.as_of,
    )
    return Considered(readiness, policy, values)
