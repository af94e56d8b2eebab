"""`/v1/stream`: changed KPI values as server-sent events, for boards that are live.

One watcher looks for changes while anybody follows. A follower first gets all values, or, when it comes back with the
`Last-Event-ID` of the present moment, only what changes from then on. `null` means that a value is no more: also one
that went while the follower was away, if that was not long ago.
"""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

import msgspec

from services.metrics.live.board import Board, Moment, Now
from services.metrics.live.gauges import Sample
from shared.backoff import pause
from shared.db import DatabaseUnavailable
from shared.web import Answer, Call, Endpoint
from shared.web.endpoint import EVENTS
from shared.web.problems import overloaded

LOOK_EVERY_S = 0.25
HEARTBEAT_S = 15.0
FOLLOWERS_MAX = 256
"""At once: half of the requests that a process works on, or whoever may read the numbers could shut all others out."""
REMEMBERED = 1000
"""Changes for which a follower may have been away: four minutes at least, as there are no more than four a second."""


class Stream:
    """Watches the board for all who follow."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._followers = 0
        self._now: Now | None = None
        self._gone: deque[tuple[str, frozenset[Sample]]] = deque(maxlen=REMEMBERED)
        self._changed = asyncio.Condition()
        self._ended = False

    def table(self) -> list[Endpoint]:
        """The endpoint."""
        return [
            Endpoint(
                method="GET",
                path="/v1/stream",
                handler=self.follow,
                scope="kpis:read",
                summary="Changed KPI values as server-sent events",
                answers={200: str},
                answer_media_type=EVENTS,
            )
        ]

    async def run(self, stop: asyncio.Event) -> None:
        """Look for changes until `stop`; then followers are let go."""
        while not stop.is_set():
            if self._followers:
                with suppress(DatabaseUnavailable):  # followers keep what they have; the next look may be luckier
                    await self._look()
            await pause(stop, LOOK_EVERY_S)
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    async def follow(self, call: Call) -> Answer:
        """A stream of events; the first comes at once. Raises Problem 503 while too many follow."""
        now = await self._look()  # before anything is answered: an outage is a 503
        if self._followers >= FOLLOWERS_MAX:
            raise overloaded()
        headers = {"X-Accel-Buffering": "no"}
        events = self._events(now, call.request.headers.get("last-event-id"))
        return Answer(events, headers=headers, media_type=EVENTS)

    async def _look(self) -> Now:
        """The board now, of which all who follow are told. Raises DatabaseUnavailable."""
        now = await self._board.now()
        if self._now is None or now.moment != self._now.moment:
            async with self._changed:
                if self._now is not None:
                    self._gone.append((_id(self._now.moment), frozenset(self._now.values.keys() - now.values.keys())))
                self._now = now
                self._changed.notify_all()
        return now

    async def _events(self, now: Now, last_id: str | None) -> AsyncIterator[bytes]:
        self._followers += 1
        try:
            known = self._known(now, last_id)
            shown = None
            while not self._ended:
                if now.moment != shown:
                    yield _event(now, known)
                    known, shown = now.values, now.moment
                changed = await self._wait(now.moment)
                if changed is None:
                    yield b": still here\n\n"
                else:
                    now = changed
        finally:
            self._followers -= 1

    def _known(self, now: Now, last_id: str | None) -> Mapping[Sample, float]:
        """What a follower has that comes back with an id; of an earlier moment only what is no more."""
        if last_id == _id(now.moment):
            return now.values
        since = next((n for n, (moment, _) in enumerate(self._gone) if moment == last_id), len(self._gone))
        gone = frozenset[Sample]().union(*(samples for _, samples in islice(self._gone, since, None)))
        return dict.fromkeys(gone - now.values.keys(), math.nan)

    async def _wait(self, shown: Moment) -> Now | None:
        """The board once it is another than the one shown; None after a while without any change."""
        try:
            async with asyncio.timeout(HEARTBEAT_S), self._changed:
                await self._changed.wait_for(lambda: self._ended or (self._now and self._now.moment != shown))
        except TimeoutError:
            return None
        return None if self._ended else self._now


def _event(now: Now, known: Mapping[Sample, float]) -> bytes:
    changed: list[dict[str, Any]] = [
        {**sample._asdict(), "value": value} for sample, value in now.values.items() if known.get(sample) != value
    ]
    changed += [{**sample._asdict(), "value": None} for sample in known if sample not in now.values]
    return b"id: %b\nevent: values\ndata: %b\n\n" % (_id(now.moment).encode(), msgspec.json.encode(changed))


def _id(moment: Moment) -> str:
    return f"{moment.day}/{moment.number}"
