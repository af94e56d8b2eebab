"""Waking by PostgreSQL's NOTIFY: whoever waits for another process's work learns of it at once."""

import asyncio
from collections.abc import Collection
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.db import CONNECT_TIMEOUT_S, DatabaseUnavailable, checkout, is_outage

BACKEND = "pid || ' ' || backend_start"
"""SQL over pg_stat_activity that names a server process for ever."""


class Notices:
    """One connection, outside the engine's pool, on which all wakers of a process listen."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._conn: AsyncConnection | None = None
        self._driver: Any = None
        self._wakers: dict[str, list[Waker]] = {}
        self._listening: set[str] = set()
        self._lock = asyncio.Lock()
        self.backend: str | None = None
        """Names the server process of the connection while there is one: when that is gone, so are we."""

    def waker(self, channel: str, payloads: Collection[str] | None = None) -> "Waker":
        """Something that wakes at notices on the channel, or only at those of some payloads; it listens from its
        first `wait` on."""
        waker = Waker(self, payloads)
        self._wakers.setdefault(channel, []).append(waker)
        return waker

    def forget(self, waker: "Waker") -> None:
        """Wake this one no more."""
        for wakers in self._wakers.values():
            if waker in wakers:
                wakers.remove(waker)

    async def listen(self) -> None:
        """Make sure that every waker's channel is listened to. Raises DatabaseUnavailable."""
        if self._conn is not None and self._listening == self._wakers.keys():
            return
        async with self._lock:
            try:
                async with asyncio.timeout(2 * CONNECT_TIMEOUT_S):
                    if self._conn is None:
                        await self._open()
                    for channel in self._wakers.keys() - self._listening:
                        await self._driver.add_listener(channel, self._notified)
                        self._listening.add(channel)
                        self._wake(channel)  # what came before this moment was not heard
            except BaseException as error:
                await self.close()
                if is_outage(error):
                    raise DatabaseUnavailable(f"cannot listen for notices: {error}") from error
                raise

    async def close(self) -> None:
        """Close the connection; a later `wait` opens another."""
        conn, driver = self._conn, self._driver
        self._conn = self._driver = self.backend = None
        self._listening.clear()
        if driver is not None:
            driver.terminate()  # it may be broken, and nothing on it needs a farewell
        if conn is not None:
            await conn.close()

    async def _open(self) -> None:
        self._conn = conn = await checkout(self._engine)
        self._driver = (await conn.get_raw_connection()).driver_connection
        await conn.run_sync(lambda sync: sync.detach())
        self._driver.add_termination_listener(self._lost)
        self.backend = await self._driver.fetchval(
            f"select {BACKEND} from pg_stat_activity where pid = pg_backend_pid()"  # noqa: S608 - our own text
        )

    def _notified(self, _connection: Any, _pid: int, channel: str, payload: str) -> None:
        for waker in self._wakers[channel]:
            if waker.payloads is None or payload in waker.payloads:
                waker.wake()

    def _lost(self, connection: Any) -> None:
        if connection is self._driver:
            self._conn = self._driver = self.backend = None
            self._listening.clear()
            for channel in self._wakers:
                self._wake(channel)

    def _wake(self, channel: str) -> None:
        for waker in self._wakers[channel]:
            waker.wake()


class Waker:
    """Waits for notices on one channel.

    A notice between two calls of `wait` is not lost: the second returns at once; so does the first one after a
    connection was lost. Hence: look for work, then wait.
    """

    def __init__(self, notices: Notices, payloads: Collection[str] | None) -> None:
        self._notices = notices
        self.payloads = payloads
        self._woken = asyncio.Event()

    async def wait(self, timeout_s: float) -> bool:
        """Whether there was a reason to look for work within the time. Raises DatabaseUnavailable."""
        await self._notices.listen()
        try:
            async with asyncio.timeout(timeout_s):
                await self._woken.wait()
        except TimeoutError:
            return False
        self._woken.clear()
        return True

    def wake(self) -> None:
        """Let the next (or the running) `wait` return."""
        self._woken.set()

    def close(self) -> None:
        """Wake no more."""
        self._notices.forget(self)
