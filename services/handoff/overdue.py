"""Tells of handoffs that nobody has answered in time: once each, as something that happened when they were due.
Where the policy asks for it, sales is reminded before, by webhooks.

Whoever decides about a lead, or looks for what is late, holds the lead's row, so there is one answer to whether a
handoff was late: who decides after its time was over tells of that first, and who comes after it was told is late.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.handoff import deadlines, gate
from services.handoff.deadlines import Late
from services.handoff.emit import emit, happened, tell_webhooks
from services.handoff.merges import counting
from services.handoff.rounds import in_rounds
from services.handoff.rules import Rules
from shared.clock import Clock
from shared.db import autocommit, in_transaction
from shared.events import HandoffDueSoon, HandoffOverdue

LOOK_S = 60.0
AT_ONCE = 100


class Overdue:
    """Looks for handoffs whose time is over. Replicas share them."""

    def __init__(self, engine: AsyncEngine, rules: Rules, clock: Clock) -> None:
        self._engine = engine
        self._rules = rules
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop`."""
        await in_rounds(self.tell_some, self._until_due, stop, self._rules.telemetry.log, "overdue")

    async def tell_some(self) -> int:
        """Tell of some that are due, or nearly so; how many. Raises DatabaseUnavailable."""

        async def work(conn: AsyncConnection) -> int:
            now = self._clock.now()
            return await tell(conn, self._rules, now) + await remind(conn, now)

        return await in_transaction(self._engine, work)

    async def _until_due(self) -> float:
        async with autocommit(self._engine) as conn:
            due = await deadlines.next_due(conn, self._clock.now())
        left = LOOK_S if due is None else (due - self._clock.now()).total_seconds()
        return min(LOOK_S, max(0.1, left))


async def tell(conn: AsyncConnection, rules: Rules, now: datetime) -> int:
    """Tell of at most AT_ONCE handoffs that are due and that nobody told of; their number."""
    late = await deadlines.mark_overdue(conn, now, AT_ONCE)
    if late:
        await _tell(conn, late, now)
        leads = sorted(await counting(conn, {one.lead_id for one in late}))
        await gate.through_gate(conn, rules.ladder, rules.registry, leads, now)
    return len(late)


async def remind(conn: AsyncConnection, now: datetime) -> int:
    """Remind of at most AT_ONCE handoffs whose time is nearly over; their number."""
    near = await deadlines.take_reminders(conn, now, AT_ONCE)
    events = [
        happened(
            "handoff-due-soon",
            one.lead_id,
            f"due-soon:{one.handoff_id}:{one.due_at.isoformat()}",
            HandoffDueSoon(handoff_id=one.handoff_id, owner=one.owner, due_at=one.due_at),
            one.at,
            now,
        )
        for one in near
    ]
    await tell_webhooks(conn, events)
    return len(near)


async def tell_if_late(conn: AsyncConnection, handoff_id: str, at: datetime) -> None:
    """Tell of a pending handoff whose time was over at a moment, if nobody has. The caller holds the lead's row and
    takes it through the gate."""
    late = await deadlines.mark_late(conn, handoff_id, at)
    if late is not None:
        await _tell(conn, [late], at)


async def _tell(conn: AsyncConnection, late: Sequence[Late], now: datetime) -> None:
    events = [
        happened(
            "handoff-overdue",
            one.lead_id,
            f"overdue:{one.handoff_id}",
            HandoffOverdue(handoff_id=one.handoff_id),
            one.due_at,
            now,
        )
        for one in late
    ]
    await emit(conn, events)
