"""Runs the rebuilds that are asked for, and finishes those that a process which is gone has begun."""

import asyncio
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.metrics import store
from services.metrics.contributions.rules import Rules
from services.metrics.rebuild.steps import rebuild
from shared.backoff import Backoff
from shared.db import DatabaseUnavailable, driver, transaction

LOOK_EVERY_S = 30.0

_log = structlog.get_logger(__name__)


class Rebuilder:
    """A background task, and the door to it. A rebuild goes on when whoever asked for it is gone."""

    def __init__(self, engine: AsyncEngine, rules: Rules) -> None:
        self._engine = engine
        self._rules = rules
        self._wanted: list[asyncio.Future[int]] = []
        self._wake = asyncio.Event()

    async def request(self) -> int:
        """Wait for a rebuild (the one that runs, if one does); the number of events gone through."""
        ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._wanted.append(ended)
        self._wake.set()
        return await ended

    async def run(self, stop: asyncio.Event) -> None:
        """Rebuild whenever it is wanted, until `stop`."""
        pauses = Backoff(first_s=0.1, most_s=5.0)
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                try:
                    if self._wanted or await self._begun():
                        await self._rebuild(stopping)
                    pauses.reset()
                except DatabaseUnavailable as error:
                    _log.warning("rebuild_waits", reason=str(error))
                    await pauses.wait(stop)
                else:
                    await self._pause(stopping)
        finally:
            stopping.cancel()

    async def _pause(self, stopping: asyncio.Task[Any]) -> None:
        """Until a rebuild is wanted, or it is time to look for one that somebody else has left."""
        waking = asyncio.ensure_future(self._wake.wait())
        await asyncio.wait({waking, stopping}, timeout=LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
        waking.cancel()
        self._wake.clear()

    async def _rebuild(self, stopping: asyncio.Task[Any]) -> None:
        """One rebuild; left where it is when the process stops: the next one goes on with it."""
        rebuilding = asyncio.ensure_future(rebuild(self._engine, self._rules))
        await asyncio.wait({rebuilding, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not rebuilding.done():
            rebuilding.cancel()
            await asyncio.wait({rebuilding})
            return
        events = rebuilding.result() or 0
        wanted, self._wanted = self._wanted, []
        for ended in wanted:
            if not ended.done():  # whoever asked may be gone
                ended.set_result(events)

    async def _begun(self) -> bool:
        async with transaction(self._engine) as conn:
            _, other = await store.sides(await driver(conn))
        return other.building and other.fingerprint == self._rules.fingerprint
