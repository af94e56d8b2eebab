"""When each key was last used: noted when a key is looked up, written in the background.

A crash loses the notes of the last minute. Replicas note each for themselves; who writes first in a minute is enough.
"""

import asyncio
from contextlib import suppress
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.typing import FilteringBoundLogger

from shared.db import DatabaseUnavailable, transaction

WRITE_EVERY_S = 60.0

# Rows that another replica writes, or that are being rotated, are left to the next time: nobody waits, no deadlock.
_WRITE = text(
    "with used as (select name, at from unnest(cast(:names as text[]), cast(:ats as timestamptz[])) u (name, at)),"
    " free as (select name from access.keys join used using (name)"
    " where last_used_at is null or last_used_at <= at - make_interval(secs => :every_s)"
    " for no key update of keys skip locked)"
    " update access.keys set last_used_at = used.at from free join used using (name) where keys.name = free.name"
)


class KeyUses:
    """The uses that are not written yet."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._noted: dict[str, datetime] = {}

    def note(self, name: str, at: datetime) -> None:
        """Remember that the key of that name was used."""
        self._noted[name] = at

    async def write(self) -> None:
        """Write what is noted; a key that was written within the last minute is left. Raises DatabaseUnavailable."""
        noted, self._noted = self._noted, {}
        if not noted:
            return
        try:
            async with transaction(self._engine) as conn:
                values = {"names": list(noted), "ats": list(noted.values()), "every_s": WRITE_EVERY_S}
                await conn.execute(_WRITE, values)
        except DatabaseUnavailable:
            self._noted = noted | self._noted
            raise

    async def run(self, stop: asyncio.Event, log: FilteringBoundLogger) -> None:
        """Write every minute, and once more when told to stop."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(WRITE_EVERY_S):
                    await stop.wait()
            try:
                await self.write()
            except DatabaseUnavailable:
                log.info("key_uses_put_off")
            if stop.is_set():
                return
