"""Forgets what batches changed, once everybody who holds sums has had the time to take it in."""

import asyncio
import logging

from sqlalchemy.ext.asyncio import AsyncEngine

from services.metrics import store
from shared.backoff import pause
from shared.db import DatabaseUnavailable, driver, transaction

_log = logging.getLogger(__name__)


class Forgetting:
    """One of it in each process; together they forget no sooner than one would."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def run(self, stop: asyncio.Event) -> None:
        """Look every now and then until `stop`."""
        while not stop.is_set():
            try:
                async with transaction(self._engine) as conn:
                    await store.forget_changes(await driver(conn))
            except DatabaseUnavailable as error:
                _log.info("old changes are kept for now: %s", error)
            await pause(stop, store.KEPT_S / 2)
