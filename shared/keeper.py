"""Keeps one child running: notices its end, says so, and starts it again after a pause that grows."""

import http.client
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Protocol

from shared.kafka import BrokerError
from shared.postgres import Interrupted, PostgresError
from shared.process import die_with_parent, how_it_ended
from shared.settings import ProcessName

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0  # seconds before a restart: doubled each time
_STEADY_AFTER = 30.0  # seconds of life after which an end counts as the first again


class Running(Protocol):
    """Something that runs in a process of its own."""

    def start(self) -> object:
        """Starts it; PostgresError or BrokerError when that fails for now (a full disk)."""

    def ended(self) -> int | None:
        """Its exit status once it has ended."""


class Keeper:
    """Keeps one child running that was started."""

    def __init__(self, name: str, child: Running) -> None:
        self._name = name
        self._child = child
        self._since = time.monotonic()
        self._pause = _FIRST_PAUSE
        self._restart_at: float | None = None

    def look(self) -> None:
        """To be called often: acts when the child has ended or its pause is over."""
        now = time.monotonic()
        if self._restart_at is None:
            status = self._child.ended()
            if status is not None:
                self._again(now, f"{self._name} ended ({how_it_ended(status)})")
        elif now >= self._restart_at:
            self._since, self._restart_at = now, None
            try:
                self._child.start()
            except Interrupted:
                raise
            except (PostgresError, BrokerError) as error:
                self._again(now, f"{self._name} could not be started: {error}")

    def _again(self, now: float, what: str) -> None:
        if now - self._since >= _STEADY_AFTER:
            self._pause = _FIRST_PAUSE
        self._restart_at = now + self._pause
        say(f"{what}; starting it again in {self._pause:.1f} s")
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)


class PythonProcess:
    """`python -m module arguments`, which ends when we end."""

    def __init__(self, module: str, environment: Mapping[str, str], *arguments: str) -> None:
        self._module = module
        self._environment = environment
        self._arguments = arguments
        self.start()

    def start(self) -> None:
        """Starts it, in a session of its own: a terminal's Ctrl-C is for the supervisor, which stops in order."""
        self._process = start_python(self._module, self._environment, *self._arguments)

    def ended(self) -> int | None:
        return self._process.poll()

    def send(self, order: signal.Signals) -> None:
        """Sends a signal, unless it has ended."""
        self._process.send_signal(order)


class ServiceProcess(PythonProcess):
    """One service's process."""

    def __init__(self, service: ProcessName, environment: Mapping[str, str]) -> None:
        self.service = service
        super().__init__(f"services.{service}", environment)


def is_ready(host: str, port: int) -> bool:
    """Whether the /readyz of a service says 200 now."""
    connection = http.client.HTTPConnection(host, port, timeout=1.0)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False  # it does not listen yet
    finally:
        connection.close()


def start_python(module: str, environment: Mapping[str, str], *arguments: str) -> "subprocess.Popen[bytes]":
    """Starts `python -m module arguments`, which ends when we end."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
        preexec_fn=die_with_parent(signal.SIGKILL),
    )


def say(text: str) -> None:
    """One line for whoever watches."""
    print(f"tasuki: {text}", flush=True)
