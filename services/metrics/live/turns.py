"""Long work in one process with requests: it lets others have their turn."""

import asyncio

A_TURN = 500
"""Sums or values that are made in one go: a small part of what a request takes by itself."""


class Turns:
    """Counts what has been done since others had theirs."""

    def __init__(self) -> None:
        self._done = 0

    async def after(self, done: int) -> None:
        """To be awaited after each piece of work, with how much that was."""
        self._done += done
        if self._done >= A_TURN:
            self._done = 0
            await asyncio.sleep(0)
