"""The board as it changes: made once for all who watch, and pushed to them as server-sent events.

One stream of metrics is followed while anybody watches, by the key of one of the watchers: the console has no key of
its own, so it cannot show what nobody here may see. A change makes the board anew, once for each language.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from structlog.typing import FilteringBoundLogger

from shared.backoff import Backoff
from shared.client import AsyncClient, TasukiError, Unauthorized, metrics
from shared.client.errors import Forbidden
from shared.events import Language

MakeBoard = Callable[[AsyncClient, Language], Awaitable[str]]

WATCHERS_MAX = 256
"""At once: half of the requests that a process works on, or who keeps many pages open would shut all others out."""
REST_S = 0.3
"""Between two boards: a burst of calls is shown in steps."""
HEARTBEAT_S = 15.0
_ASK_WITHIN_S = 2.0
_IDLE_S = 0.2


class LiveBoard:
    """Follows metrics for all watchers."""

    def __init__(self, tasuki: AsyncClient, make: MakeBoard, log: FilteringBoundLogger) -> None:
        self._tasuki = tasuki
        self._make = make
        self._log = log
        self._keys: Counter[str] = Counter()
        self._languages: Counter[Language] = Counter()
        self._boards: dict[Language, str] = {}
        self._version = 0
        self._changed = asyncio.Condition()
        self._dirty = asyncio.Event()
        self._ended = False
        self._is_away = False

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; then watchers are let go."""
        following = asyncio.create_task(self._follow(stop))
        making = asyncio.create_task(self._make_boards())
        stopping = asyncio.create_task(stop.wait())
        ended, _ = await asyncio.wait({following, making, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for each in (following, making, stopping):
            each.cancel()
        await asyncio.gather(following, making, stopping, return_exceptions=True)
        async with self._changed:
            self._ended = True
            self._changed.notify_all()
        for task in (following, making):
            if task in ended:
                task.result()  # raises what ended it: the process is started anew

    @property
    def is_full(self) -> bool:
        """Whether nobody else can watch now."""
        return self._keys.total() >= WATCHERS_MAX

    async def watch(self, key: str, language: Language) -> AsyncIterator[bytes]:
        """What one watcher is told; who watches for long is asked anew whether the key still may."""
        self._keys[key] += 1
        self._languages[language] += 1
        self._dirty.set()  # what changed since the page was made, and before now, nobody else would tell
        seen, asked_at, told_away = self._version, time.monotonic(), False
        try:
            yield b"retry: 2000\n\n"
            while not self._ended:
                changed = await self._wait(seen, told_away)
                if time.monotonic() > asked_at + HEARTBEAT_S:
                    await self._ask_whether_still(key)
                    asked_at = time.monotonic()
                if not changed:
                    yield b": still here\n\n"
                    continue
                if self._is_away != told_away:
                    told_away = self._is_away
                    yield _event("away" if told_away else "back", "")
                if self._version == seen:
                    continue
                seen = self._version
                if not self._ended and language in self._boards:
                    yield _event("board", self._boards[language])
        except (Unauthorized, Forbidden):
            yield _event("signed-out", "")
        finally:
            self._keys -= Counter([key])
            self._languages -= Counter([language])

    async def _ask_whether_still(self, key: str) -> None:
        """Raises Unauthorized or Forbidden when the key may no longer. While nobody can tell, who may watch goes on."""
        try:
            async with asyncio.timeout(_ASK_WITHIN_S):
                await self._tasuki.with_key(key).send(metrics.status())
        except (Unauthorized, Forbidden):
            raise
        except (TasukiError, TimeoutError) as error:
            self._log.info("watcher_not_asked_for", reason=type(error).__name__)

    async def _wait(self, seen: int, told_away: bool) -> bool:
        """Whether there is another board than the one seen, or something else to tell, or the end, within a while."""
        try:
            async with asyncio.timeout(HEARTBEAT_S), self._changed:
                await self._changed.wait_for(lambda: self._ended or self._version != seen or self._is_away != told_away)
        except TimeoutError:
            return False
        return True

    async def _follow(self, stop: asyncio.Event) -> None:
        """Note that something has changed, while anybody watches."""
        backoff = Backoff()
        while True:
            key = next(iter(self._keys), None)
            if key is None:
                self._is_away = False  # nobody knows, and nobody asks
                await asyncio.sleep(_IDLE_S)
                continue
            try:
                if self._is_away:
                    await self._tasuki.with_key(key).send(metrics.status())
                    await self._tell_away(False)
                async for event in self._tasuki.with_key(key).events(metrics.stream()):
                    if event.name == "values":
                        self._dirty.set()
                    backoff.reset()
                    if key not in self._keys:
                        break
            except TasukiError as error:
                self._log.info("board_waits", reason=type(error).__name__)
                if isinstance(error, Unauthorized | Forbidden):
                    del self._keys[key]  # its watchers hear of it at their next question
                else:
                    await self._tell_away(True)
                await backoff.wait(stop)

    async def _tell_away(self, is_away: bool) -> None:
        """Whether the board stands still because metrics cannot be reached: it looks the same as one that does not."""
        async with self._changed:
            self._is_away = is_away
            self._changed.notify_all()

    async def _make_boards(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            key = next(iter(self._keys), None)
            if key is not None:
                with suppress(TasukiError):  # the next change makes another
                    client = self._tasuki.with_key(key)
                    boards = {language: await self._make(client, language) for language in list(self._languages)}
                    async with self._changed:
                        self._boards, self._version = boards, self._version + 1
                        self._changed.notify_all()
            await asyncio.sleep(REST_S)


def _event(name: str, data: str) -> bytes:
    lines = "".join(f"data: {line}\n" for line in data.splitlines()) or "data:\n"
    return f"event: {name}\n{lines}\n".encode()
