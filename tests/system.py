"""A running Tasuki for tests: `tasuki run` in a process of its own, driven from outside."""

import http.client
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import SecretStr

from shared.settings import PROCESSES, ProcessName, ServiceName, Settings
from shared.settings import SERVICES as ALL

ROOT = Path(__file__).resolve().parent.parent
SERVICES: tuple[ServiceName, ...] = ("ingest", "handoff", "metrics")
"""What a System runs unless it is asked for more: every further process costs each test that starts one."""


def until(
    condition: Callable[[], bool], within: float = 60, why: Callable[[], str] = lambda: "", every: float = 0.05
) -> None:
    """Waits until a condition holds, asking it `every` so many seconds; fails after `within` seconds with what `why`
    says."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"not within {within} s: {why()}"
        time.sleep(every)


class System:
    """`with System(folder, free_port) as system:` starts it and waits until all services are ready.

    `system.url["ingest"]` and `system.key` reach it, `system.console` where that was asked for; what it has printed is
    in `system.output()`. Another `command` than `tasuki run` may start it, such as `make run`, with the `patience` in
    seconds that it needs to be ready, and the `services` that it starts.
    """

    def __init__(
        self,
        data_dir: Path,
        free_port: Callable[[], int],
        environment: Mapping[str, str | None] | None = None,
        *,
        command: Sequence[str] | None = None,
        patience: float = 120,
        services: Sequence[ProcessName] = SERVICES,
    ) -> None:
        self.data_dir = data_dir
        self.services = tuple(services)
        self.apis: tuple[ServiceName, ...] = tuple(service for service in ALL if service in services)
        self.command = command or (sys.executable, "-m", "shared.cli", "run", *services)
        self.patience = patience
        self.key = secrets.token_hex(16)
        self.port: dict[ProcessName, int] = {service: free_port() for service in PROCESSES}
        self.url: dict[ServiceName, str] = {name: f"http://127.0.0.1:{self.port[name]}" for name in ALL}
        self.console = f"http://127.0.0.1:{self.port['console']}"
        self._output = data_dir.with_name(data_dir.name + ".out")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TASUKI_")}
        ports = {f"TASUKI_{service.upper()}_PORT": str(port) for service, port in self.port.items()}
        wanted = inherited | ports | {"TASUKI_DATA_DIR": str(data_dir), "TASUKI_ADMIN_KEY": self.key}
        wanted["TASUKI_TAG_SCAN_AUTOMATIC"] = "false"  # no test shall call on real companies' websites
        wanted |= dict(environment or {})  # type: ignore[arg-type]  # None takes a variable away, below
        self.environment = {name: value for name, value in wanted.items() if value is not None}

    @property
    def kafka(self) -> str | None:
        """Its brokers; None: its log is the embedded one."""
        return self.environment.get("TASUKI_KAFKA_BOOTSTRAP_SERVERS")

    def __enter__(self) -> Self:
        self.launch()
        try:
            self.wait_ready()
        except BaseException:
            self.kill()
            until(lambda: self.processes() == [])  # only then may its folder be removed
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            status = self.stop()  # make passes the signal on, waits, and ends by it
            assert status == (-signal.SIGTERM if self.command[0] == "make" else 0), self.output()

    def launch(self) -> None:
        """Starts it without waiting."""
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def wait_ready(self) -> None:
        """Waits until every service's /readyz says 200."""
        self.wait_for(lambda: all(self.is_ready(service) for service in self.services), self.patience)

    def wait_for(self, condition: Callable[[], bool], within: float = 60) -> None:
        """Waits until a condition holds; fails with what the system said when it ends or takes too long."""

        def holds() -> bool:
            assert self.process.poll() is None, f"{self.command} ended with {self.process.returncode}:\n{self.output()}"
            return condition()

        until(holds, within, self.output)

    def is_ready(self, service: ProcessName, port: int | None = None) -> bool:
        """Whether the /readyz of a service (or of its replica on another port) says 200 now."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port[service], timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def processes(self, word: str = "") -> list[int]:
        """Living processes with this system's data folder in their environment and `word` in their command line."""
        mark = f"TASUKI_DATA_DIR={self.data_dir}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    environment, command = (entry / "environ").read_bytes(), (entry / "cmdline").read_bytes()
                except OSError:  # it ended meanwhile, or it is somebody else's
                    continue
                if mark in environment.split(b"\0") and word.encode() in command:
                    found.append(int(entry.name))
        return found

    def postgresql(self) -> int:
        """The process of the private PostgreSQL. One that it has just forked bears its command line for a moment."""
        found: list[int] = []

        def alone() -> bool:
            found[:] = self.processes("bin/postgres")
            return len(found) == 1

        self.wait_for(alone)
        return found[0]

    @property
    def seen_data_dir(self) -> Path:
        """The data folder by the path by which the tests reach it."""
        return self.data_dir

    def output(self) -> str:
        """All that the system has printed."""
        return self._output.read_text(errors="replace")

    def stop(self, within: float = 30) -> int:
        """SIGTERM, as an operator's tool does; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within)

    def kill(self) -> None:
        """SIGKILL to the supervisor alone."""
        self.process.kill()
        self.process.wait()


def environment_of(settings: Settings) -> dict[str, str]:
    """The variables that say the same to another process, secrets too."""
    said = settings.model_dump(exclude_unset=True)
    plain = {name: v.get_secret_value() if isinstance(v, SecretStr) else str(v) for name, v in said.items()}
    return {f"TASUKI_{name.upper()}": value for name, value in plain.items()}


def tasuki(system: System, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs `tasuki COMMAND` beside a system, as its operator does."""
    return subprocess.run(
        [sys.executable, "-m", "shared.cli", *command],
        cwd=ROOT,
        env=system.environment | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
