"""Notices that work waits and nobody does it."""

import time


class Watchdog:
    """Tells a stall (records to take, none taken for too long) from having nothing to do."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._progress_at = time.monotonic()
        self._lag_since: float | None = None

    def progress(self) -> None:
        """Something has moved, or we know why not."""
        self._progress_at = time.monotonic()
        self._lag_since = None

    def suspicious(self) -> bool:
        """Whether it is worth asking for the lag."""
        return time.monotonic() - self._progress_at >= self._limit_s

    def stalled(self, lag: int) -> float | None:
        """Seconds for which there has been lag without progress, once these are too many."""
        now = time.monotonic()
        if lag == 0:
            self._lag_since = None
            return None
        # An idle consumer has made no progress either: the limit runs from when the lag was first seen.
        self._lag_since = self._lag_since or now
        return now - self._lag_since if now - self._lag_since >= self._limit_s else None
