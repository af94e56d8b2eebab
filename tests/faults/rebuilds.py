"""Has all numbers made anew, again and again."""

import threading

from tests.faults.beside import Beside
from tests.faults.client import Client
from tests.system import System

PAUSE_S = 0.5


class Rebuilds(Beside):
    """`with Rebuilds(system) as rebuilds:` asks for one rebuild after the other; `done`: how many there were."""

    def __init__(self, system: System) -> None:
        super().__init__(system)
        self.done = 0

    def _work(self, client: Client, stop: threading.Event) -> None:
        while not stop.wait(PAUSE_S):
            reply = client.send("metrics", "POST", "/v1/rebuild")
            assert reply.status == 200, reply
            self.done += 1
