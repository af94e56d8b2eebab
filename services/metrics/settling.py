"""Settles the ledgers of cells: makes one row of each cell of a day, where many were entered."""

import asyncio
import logging
from datetime import date

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.metrics import store
from shared.backoff import pause
from shared.db import DatabaseUnavailable, driver, in_transaction

PAUSE_S = 10.0
"""Between two days: a year is gone through in an hour, and nobody notices."""

_log = logging.getLogger(__name__)


class Settling:
    """One of it in each process, which goes through the days of the cells that are shown, again and again.

    `reached`: the day that was settled last; `date.min` before the first, and after the last.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self.reached = date.min

    async def run(self, stop: asyncio.Event) -> None:
        """Settle a day every now and then until `stop`."""
        while not stop.is_set():
            try:
                await self.step()
            except DatabaseUnavailable as error:
                _log.info("cells are left as they are for now: %s", error)
            await pause(stop, PAUSE_S)

    async def step(self) -> int:
        """Settle the next day; how many rows that saves."""
        after = self.reached

        async def settle(conn: AsyncConnection) -> int:
            raw = await driver(conn)
            side = await store.hold_shown(raw)
            day = await store.day_after(raw, side, after)
            self.reached = day or date.min
            return await store.settle_day(raw, side, day) if day else 0

        return await in_transaction(self._engine, settle)  # again after a deadlock with who shows another set
