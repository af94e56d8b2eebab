"""How long to wait before the next try."""

import asyncio
import random


class Backoff:
    """Doubling waits with jitter, from `first_s` up to `most_s` seconds, so that many waiters do not return at once."""

    def __init__(self, first_s: float = 0.1, most_s: float = 10.0) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self.failures = 0

    def reset(self) -> None:
        """After a success."""
        self.failures = 0

    async def wait(self, stop: asyncio.Event) -> None:
        """Wait longer than the last time, but no longer than until `stop`."""
        limit = min(self._most_s, self._first_s * 2 ** min(self.failures, 30))
        self.failures += 1
        await pause(stop, limit * random.uniform(0.5, 1.0))  # noqa: S311 - no secret


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Sleep, or return early when `stop` is set."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
