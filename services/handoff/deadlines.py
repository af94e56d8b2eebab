"""The SQL of the time in which a handoff is to be answered: whose is over, and of whose end sales is reminded."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db import driver


class Late(NamedTuple):
    """A handoff that nobody has answered in time."""

    handoff_id: str
    lead_id: str
    due_at: datetime


_IN_TIME = """
    from handoff.handoffs h join handoff.leads l on l.lead_id = h.lead_id
    join handoff.leads s on s.lead_id = coalesce(l.merged_into, l.lead_id)
    where h.status = 'pending' and h.overdue_at is null and l.erased_at is null and s.erased_at is null
"""
"""SQL: handoffs that may still become overdue; nobody can answer that of an erased lead any more."""


async def mark_overdue(conn: AsyncConnection, now: datetime, limit: int) -> list[Late]:
    """Mark handoffs whose time is over, the longest due first, and that nobody else is marking or deciding.

    Whoever decides about a lead holds the row of the one that it counts as: so does this, and waits for nobody.
    """
    rows = await (await driver(conn)).fetch(
        f"""
        with late as (
            select h.handoff_id {_IN_TIME} and h.due_at <= $1
            order by h.due_at, h.handoff_id limit $2 for update of h, s skip locked
        )
        update handoff.handoffs h set overdue_at = h.due_at from late where h.handoff_id = late.handoff_id
        returning h.handoff_id, h.lead_id, h.due_at
        """,  # noqa: S608 - our own text
        now,
        limit,
    )
    return sorted((Late(*row) for row in rows), key=lambda late: (late.due_at, late.handoff_id))


async def mark_late(conn: AsyncConnection, handoff_id: str, at: datetime) -> Late | None:
    """Mark a handoff of which the caller holds the lead, if its time was over at a moment and nobody has told so."""
    row = await (await driver(conn)).fetchrow(
        """
        update handoff.handoffs set overdue_at = due_at
        where handoff_id = $1 and status = 'pending' and overdue_at is null and due_at <= $2
        returning handoff_id, lead_id, due_at
        """,
        handoff_id,
        at,
    )
    return None if row is None else Late(*row)


class ToRemind(NamedTuple):
    """A handoff of which sales is to be reminded now. `at`: when that was to be."""

    handoff_id: str
    lead_id: str
    owner: str
    at: datetime
    due_at: datetime


async def take_reminders(conn: AsyncConnection, now: datetime, limit: int) -> list[ToRemind]:
    """Handoffs whose time is nearly over, the first due first; nobody takes them again. Of what is due already there is
    nothing to remind."""
    rows = await (await driver(conn)).fetch(
        f"""
        with near as (
            select h.handoff_id, h.remind_at {_IN_TIME} and h.remind_at <= $1 and h.due_at > $1
            order by h.due_at, h.handoff_id limit $2 for update of h, s skip locked
        )
        update handoff.handoffs h set remind_at = null from near where h.handoff_id = near.handoff_id
        returning h.handoff_id, h.lead_id, h.owner, near.remind_at, h.due_at
        """,  # noqa: S608 - our own text
        now,
        limit,
    )
    return sorted((ToRemind(*row) for row in rows), key=lambda one: (one.due_at, one.handoff_id))


async def next_due(conn: AsyncConnection, now: datetime) -> datetime | None:
    """When the next handoff will be overdue, or sales is to be reminded of one."""
    due: datetime | None = await (await driver(conn)).fetchval(
        f"select least(min(h.due_at), min(h.remind_at) filter (where h.due_at > $1)) {_IN_TIME}", now
    )
    return due
