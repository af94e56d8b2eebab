"""Has all numbers made anew, again and again."""

import threading
from types import TracebackType
from typing import Self

from tests.faults.client import Client
from tests.system import System

PAUSE_S = 0.5


class Rebuilds:
    """`with Rebuilds(system) as rebuilds:` asks for one rebuild after the other until it is left."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._stop = threading.Event()
        self._broken: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self.done = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        if error is None and self._broken is not None:
            raise self._broken

    def _run(self) -> None:
        client = Client(self._system)
        try:
            while not self._stop.wait(PAUSE_S):
                reply = client.send("metrics", "POST", "/v1/rebuild")
                assert reply.status == 200, reply
                self.done += 1
        except BaseException as error:  # raised where the test waits
            self._broken = error
        finally:
            client.close()
