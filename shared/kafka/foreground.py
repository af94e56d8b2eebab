"""`tasuki kafka`: keeps brokers running, and the whole system on them where that is asked for, until a signal."""

import os
import signal
import time
from collections.abc import Sequence
from types import FrameType
from typing import Protocol

from shared.kafka.cluster import Cluster
from shared.keeper import Keeper, PythonProcess, say
from shared.process import how_it_ended, on_stop_signals

_TICK = 0.1  # seconds between two looks
_READY_WITHIN = 60.0  # seconds
_SYSTEM_WITHIN, _BROKERS_WITHIN = 10.0, 10.0  # seconds to stop in good order
_SAME_SIGNAL = 1.0  # seconds: make passes its group's signal on, so that one order may come twice


class GivenUp(Exception):
    """Something that was to run on Kafka could not; the message says what."""


class _Child(Protocol):
    def ended(self) -> int | None: ...

    def send(self, order: signal.Signals) -> None: ...


class Foreground:
    """`run()` returns when a signal has asked it to stop and everything has ended."""

    def __init__(self, cluster: Cluster, *, with_system: bool) -> None:
        self._cluster = cluster
        self._brokers = list(cluster.brokers.values())
        self._with_system = with_system
        self._system: PythonProcess | None = None
        self._asked_at: float | None = None
        self._at_once = False

    def run(self) -> None:
        """Starts everything, keeps it running until SIGINT, SIGTERM or SIGHUP, and stops the system before the brokers.

        BrokerError when a broker cannot start, GivenUp when the topics cannot be made or the system ends by itself.
        """
        on_stop_signals(self._on_signal)
        try:
            self._start()
            if self._with_system:
                self._start_system()
            self._keep()
        finally:
            self._stop()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._asked_at is None:
            self._asked_at = now
        elif now - self._asked_at > _SAME_SIGNAL:
            self._at_once = True

    def _start(self) -> None:
        began = time.monotonic()
        self._cluster.launch_all()
        while self._asked_at is None and not all(broker.is_ready() for broker in self._brokers):
            for broker in self._brokers:
                broker.check_start(_READY_WITHIN, began + _READY_WITHIN)
            time.sleep(_TICK)
        if self._asked_at is None:
            say(f"Kafka is ready after {time.monotonic() - began:.1f} s; Ctrl-C stops it. For its clients:")
            print(f"export TASUKI_KAFKA_BOOTSTRAP_SERVERS={self._cluster.bootstrap}", flush=True)

    def _start_system(self) -> None:
        environment = {**os.environ, "TASUKI_KAFKA_BOOTSTRAP_SERVERS": self._cluster.bootstrap}
        topics = PythonProcess("shared.cli", environment, "topics", "apply")
        while (status := topics.ended()) is None:
            if self._asked_at is not None:
                topics.send(signal.SIGKILL)
            time.sleep(_TICK)
        if self._asked_at is None:
            if status != 0:
                raise GivenUp(f"The topics could not be made ({how_it_ended(status)}); the reason stands above.")
            self._system = PythonProcess("shared.cli", environment, "run")

    def _keep(self) -> None:
        kept = [Keeper(f"broker {broker.node}", broker) for broker in self._brokers]
        while self._asked_at is None:
            if self._system is not None and (status := self._system.ended()) is not None:
                raise GivenUp(f"`tasuki run` has ended ({how_it_ended(status)}); the reason stands above.")
            for keeper in kept:
                keeper.look()
            time.sleep(_TICK)

    def _stop(self) -> None:
        if self._system is not None:
            self._end([self._system], _SYSTEM_WITHIN)
        self._end([broker for broker in self._brokers if broker.pid is not None], _BROKERS_WITHIN)
        if self._asked_at is not None:
            say("Kafka has stopped")

    def _end(self, children: Sequence[_Child], within: float) -> None:
        """SIGTERM, and SIGKILL after `within` seconds or when a second signal asks for it."""
        deadline = time.monotonic() + within
        for child in children:
            child.send(signal.SIGTERM)
        while any(child.ended() is None for child in children):
            if self._at_once or time.monotonic() > deadline:
                for child in children:
                    child.send(signal.SIGKILL)
            time.sleep(0.02)
