"""Does what `actions` has drawn, at its time, and tells it."""

import heapq
import itertools
import time
from collections.abc import Callable, Iterable

from tests.soak.actions import BROKERS, Action
from tests.soak.stage import Stage

Tell = Callable[[str], None]
_TICK_S = 0.1


class Disorder:
    """`Disorder(stage, tell).run(actions, seconds)`; then `done` has the actions, and nobody is dead or paused."""

    def __init__(self, stage: Stage, tell: Tell) -> None:
        self.done: list[Action] = []
        self._stage = stage
        self._tell = tell
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()

    def run(self, actions: Iterable[Action], seconds: float, goes_on: Callable[[], bool]) -> None:
        """Until `seconds` are over and all that was begun has been undone; it ends at once where nothing `goes_on`."""
        began = time.monotonic()
        for action in actions:
            self._at(began + action.at, lambda action=action: self._do(action))  # type: ignore[misc]
        while goes_on() and (self._due or time.monotonic() - began < seconds):
            while self._due and self._due[0][0] <= time.monotonic():
                heapq.heappop(self._due)[2]()
            self._stage.keep()
            time.sleep(_TICK_S)

    def _at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._due, (when, next(self._number), what))

    def _do(self, action: Action) -> None:
        self._tell(str(action))
        self.done.append(action)
        over = time.monotonic() + action.lasts_s
        for name in action.whom:
            if action.what == "pause":
                pids = self._stage.pause(name)
                self._at(over, lambda name=name, pids=pids: self._resume(name, pids))  # type: ignore[misc]
            else:
                self._stage.kill(name)
                if name in BROKERS:
                    self._at(over, lambda name=name: self._start(name))  # type: ignore[misc]

    def _resume(self, name: str, pids: list[int]) -> None:
        self._stage.resume(pids)
        self._tell(f"{name} goes on")

    def _start(self, name: str) -> None:
        self._stage.start_broker(name)
        self._tell(f"{name} is started again")
