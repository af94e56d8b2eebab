"""Looks for work again and again, as the background tasks that no notice wakes do."""

import asyncio
from collections.abc import Awaitable, Callable

from structlog.typing import FilteringBoundLogger

from shared.backoff import Backoff, pause
from shared.db import DatabaseUnavailable


async def in_rounds(
    some: Callable[[], Awaitable[int]],
    idle_s: Callable[[], Awaitable[float]],
    stop: asyncio.Event,
    log: FilteringBoundLogger,
    name: str,
) -> None:
    """Until `stop`: `some` does a part of the work and tells how much it was, until there is none; then `idle_s` tells
    for how long. While the database is away, both are tried again."""
    backoff = Backoff()
    while not stop.is_set():
        try:
            while not stop.is_set() and (done := await some()):
                log.info(f"{name}_done", count=done)
            await pause(stop, await idle_s())
            backoff.reset()
        except DatabaseUnavailable as error:
            log.warning(f"{name}_waits", reason=type(error).__name__)
            await backoff.wait(stop)
