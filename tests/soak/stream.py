"""The load of a soak: the plan of the fault tests, a part after the other, at a pace that the clock sets."""

import threading
import time
from collections.abc import Sequence

from tests.faults.acknowledged import Acknowledged
from tests.faults.beside import InThread
from tests.faults.load import Load
from tests.faults.plan import Post
from tests.system import System

PART_S = 20.0
_TICK_S = 0.1


class Stream(InThread):
    """`with Stream(system, rate, seed, ingests) as stream:` posts `rate` activities a second, and some of them twice.

    Leaving ends the part that is under way, and waits until everything has been acknowledged. A part that is late, for
    want of an answer, goes on beside the next ones; of one that is done only what the oracle needs is kept.
    """

    def __init__(self, system: System, rate: int, seed: int, ingests: Sequence[int]) -> None:
        super().__init__()
        self.acknowledged = Acknowledged()
        self._system = system
        self._size = int(rate * PART_S)
        self._seed = seed
        self._ingests = ingests
        self._under_way: list[Load] = []
        self._sent = self._done = self._parts = 0

    @property
    def planned_s(self) -> float:
        """Seconds of load that have been sent, by their plan."""
        return self._parts * PART_S

    @property
    def sent(self) -> int:
        """Activities posted so far, second copies included."""
        return self._sent + sum(load.sent for load in tuple(self._under_way))

    @property
    def done(self) -> int:
        """Activities acknowledged so far, second copies included."""
        return self._done + sum(load.done for load in tuple(self._under_way))

    def _go_on(self, stop: threading.Event) -> None:
        try:
            began = time.monotonic()
            while not stop.is_set():
                self._play(self._parts, began + self._parts * PART_S)
                self._parts += 1
            while self._under_way:
                self._take_up()
                time.sleep(_TICK_S)
        except BaseException as error:
            for load in self._under_way:
                load.give_up(error)
            raise

    def _play(self, part: int, begins: float) -> None:
        """Send one part, from `begins` on (monotonic)."""
        load = Load(self._system, self._size, self._seed * 100_000 + part, part, self._ingests)
        for steps in load.plan.steps:  # a request waits for each lead that it names: the pace would be lost
            steps.sort(key=lambda step: isinstance(step, Post))
        load.start()
        self._under_way.append(load)
        share = 0.0
        while share < 1:
            share = min(1.0, (time.monotonic() - begins) / PART_S)
            load.release(int(load.size * share))
            self._take_up()
            time.sleep(_TICK_S)

    def _take_up(self) -> None:
        for load in [load for load in self._under_way if load.is_over]:
            load.finish()
            self.acknowledged.add(load)
            self._sent, self._done = self._sent + load.sent, self._done + load.done
            self._under_way.remove(load)
