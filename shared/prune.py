"""Rows that are kept for a time only, and then deleted."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.typing import FilteringBoundLogger

from shared.db import DatabaseUnavailable, transaction

EVERY_S = 3600.0
_ROWS = 5000
"""Rows that one transaction deletes at most, so that nobody waits for it."""


class Retention(NamedTuple):
    """How long a table's rows are kept after the time in the column `since`; only those for which `where` holds."""

    table: str
    since: str
    kept: timedelta
    where: str = "true"


async def prune(engine: AsyncEngine, retention: Retention) -> int:
    """Delete the rows whose time is over; returns how many. Raises DatabaseUnavailable."""
    table, since, kept, where = retention
    delete = text(
        f"delete from {table} where ctid = any(array(select ctid from {table}"  # noqa: S608 (tables are ours)
        f" where {since} < now() - make_interval(secs => :kept_s) and {where} limit {_ROWS}))"
    )
    removed = 0
    while True:
        async with transaction(engine) as conn:
            done = await conn.execute(delete, {"kept_s": kept.total_seconds()})
        removed += done.rowcount
        if done.rowcount < _ROWS:
            return removed


class Pruning:
    """Prunes tables every hour."""

    def __init__(self, engine: AsyncEngine, retentions: Sequence[Retention], log: FilteringBoundLogger) -> None:
        self._engine = engine
        self._retentions = retentions
        self._log = log

    async def run(self, stop: asyncio.Event) -> None:
        """Prune until told to stop."""
        while not stop.is_set():
            for retention in self._retentions:
                await self._prune(retention)
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S):
                    await stop.wait()

    async def _prune(self, retention: Retention) -> None:
        try:
            removed = await prune(self._engine, retention)
        except DatabaseUnavailable:
            self._log.info("prune_put_off", table=retention.table)
        else:
            level = self._log.info if removed else self._log.debug
            level("pruned", table=retention.table, rows=removed)
