"""One line every ten seconds: how far a soak is."""

import threading
import time

from tests.faults.beside import Beside
from tests.faults.client import Client
from tests.faults.inside import database, on_the_way
from tests.soak.stream import Stream
from tests.system import System

EVERY_S = 10.0
SHORT = 60


class Progress(Beside):
    """`with Progress(system, stream) as progress:` prints until it is left; `tell` prints what is done, at its time."""

    def __init__(self, system: System, stream: Stream) -> None:
        super().__init__(system)
        self._stream = stream
        self._began = time.monotonic()
        self._last = "none"

    def tell(self, what: str) -> None:
        """One line, with the seconds since the beginning and the time of day, by which logs can be searched."""
        self._last = what[:SHORT]
        self._print(f"** {what}")

    def _work(self, client: Client, stop: threading.Event) -> None:
        while not stop.wait(EVERY_S):
            way = on_the_way(database(self._system), self._system.kafka)
            there = f"outbox {way.outbox:,}, lag {way.lag:,}" if way else "outbox and lag unknown: something is away"
            posted, answered = self._stream.sent, self._stream.done
            self._print(f"posted {posted:,}, acknowledged {answered:,}, {there}; last: {self._last}")

    def _print(self, line: str) -> None:
        print(f"{time.strftime('%H:%M:%S', time.gmtime())} {time.monotonic() - self._began:7.1f} {line}", flush=True)
