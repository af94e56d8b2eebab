"""Tells of handoffs that nobody has answered in time: once each, when their time is over."""

import asyncio
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from structlog.typing import FilteringBoundLogger

from services.handoff import store
from services.handoff.emit import emit, happened
from shared.backoff import Backoff, pause
from shared.clock import Clock
from shared.db import DatabaseUnavailable, transaction
from shared.events import Event, HandoffOverdue

LOOK_S = 60.0
AT_ONCE = 100


class Overdue:
    """Looks for handoffs whose time is over. Replicas share them."""

    def __init__(self, engine: AsyncEngine, clock: Clock, log: FilteringBoundLogger) -> None:
        self._engine = engine
        self._clock = clock
        self._log = log

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop`."""
        backoff = Backoff()
        while not stop.is_set():
            try:
                while not stop.is_set() and await self.tell_some():
                    pass
                await pause(stop, await self._until_due())
                backoff.reset()
            except DatabaseUnavailable as error:
                self._log.warning("overdue_waits", reason=type(error).__name__)
                await backoff.wait(stop)

    async def tell_some(self) -> int:
        """Tell of some that are due; how many. Raises DatabaseUnavailable."""
        async with transaction(self._engine) as conn:
            return await tell(conn, self._clock.now())

    async def _until_due(self) -> float:
        async with transaction(self._engine) as conn:
            due = await store.next_due(conn)
        left = LOOK_S if due is None else (due - self._clock.now()).total_seconds()
        return min(LOOK_S, max(0.1, left))


async def tell(conn: AsyncConnection, now: datetime) -> int:
    """Tell of at most AT_ONCE handoffs that are due and that nobody told of; their number. It happened when they were
    due, however late somebody looks."""
    late = await store.mark_overdue(conn, now, AT_ONCE)
    await emit(conn, [_event(one, now) for one in late])
    return len(late)


def _event(late: store.Late, now: datetime) -> Event:
    data = HandoffOverdue(handoff_id=late.handoff_id)
    return happened("handoff-overdue", late.lead_id, f"overdue:{late.handoff_id}", data, late.due_at, now)
