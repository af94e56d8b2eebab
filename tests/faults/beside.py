"""Something that goes on beside a test, in a thread."""

import threading
import traceback
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import closing
from types import TracebackType
from typing import Self

from shared.settings import ServiceName
from tests.faults.client import Client
from tests.system import System


class InThread(ABC):
    """`with X() as x:` goes on until the block is left, and then raises what has gone wrong."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._broken: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    @property
    def is_broken(self) -> bool:
        """Whether something has gone wrong, and nothing goes on."""
        return self._broken is not None

    @abstractmethod
    def _go_on(self, stop: threading.Event) -> None:
        """What is done, until `stop` is set."""

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
        try:
            self._go_on(self._stop)
        except BaseException as error:  # raised where the test waits, which may be long after
            traceback.print_exc()
            self._broken = error


class Beside(InThread):
    """Goes on with a client of its own."""

    def __init__(self, system: System, instead: Mapping[ServiceName, int] | None = None) -> None:
        """instead: ports of replicas that the client speaks to."""
        super().__init__()
        self._system = system
        self._instead = instead

    @abstractmethod
    def _work(self, client: Client, stop: threading.Event) -> None:
        """What is done with it, until `stop` is set."""

    def _go_on(self, stop: threading.Event) -> None:
        with closing(Client(self._system, self._instead)) as client:
            self._work(client, stop)
