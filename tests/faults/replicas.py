"""More processes of a service beside those of a system, each a replica with a port and a name of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from shared.settings import ServiceName
from tests.faults.inside import database
from tests.system import ROOT, System, until


class Replica:
    """`with Replica(system, "metrics", free_port()) as replica:` runs one more process. `module`: what runs, the
    service itself unless given; `root`: the tree that it is of. Its lines stand in `output()`."""

    def __init__(
        self,
        system: System,
        service: ServiceName,
        port: int,
        module: Sequence[str] | None = None,
        environment: dict[str, str] | None = None,
        root: Path = ROOT,
    ) -> None:
        self.service = service
        self.port = port
        self._root = root
        self._module = module or [f"services.{service}"]
        more = {"TASUKI_DATABASE_URL": database(system), f"TASUKI_{service.upper()}_PORT": str(port)}
        self._environment = system.environment | more | (environment or {})
        self._output = system.data_dir.with_name(f"{system.data_dir.name}.{service}.{port}.out")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.send(signal.SIGCONT)
            self.send(signal.SIGTERM)
            self.process.wait(30)

    def start(self) -> None:
        """Start it (again) without waiting."""
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *self._module],
                cwd=self._root,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def wait_ready(self, system: System) -> None:
        """Wait until its /readyz says 200."""
        until(lambda: system.is_ready(self.service, self.port), 60, self.output)

    def send(self, order: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.process.pid, order)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def output(self) -> str:
        """All that it has printed."""
        return self._output.read_text(errors="replace")
