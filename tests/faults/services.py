"""The three services on one database, each a process of its own that nobody restarts but the test."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from shared.settings import ServiceName
from tests.faults.client import Client, InFlight, Reply
from tests.system import ROOT, SERVICES, System, until


class Services:
    """`system` has their ports and their environment, `url` is the address of their database for the test itself."""

    def __init__(self, system: System, url: str) -> None:
        self.system = system
        self.url = url
        self._running: dict[ServiceName, subprocess.Popen[bytes]] = {}
        system.data_dir.mkdir(parents=True)
        (system.data_dir / "database.url").write_text(url)  # as the private PostgreSQL does, for `inside.database`

    def start(self, service: ServiceName, *runner: str) -> None:
        """Start it and wait until it is ready. runner: a module that runs it otherwise, and what that is told."""
        module = [runner[0], service, *runner[1:]] if runner else [f"services.{service}"]
        self._running[service] = subprocess.Popen(
            [sys.executable, "-m", *module], cwd=ROOT, env=self.system.environment, stdin=subprocess.DEVNULL
        )
        until(lambda: self.system.is_ready(service), 60, lambda: f"{service} is not ready")

    def replace(self, service: ServiceName, *runner: str) -> None:
        """End it as an operator does, and start it in another way."""
        self.stop(service)
        self.start(service, *runner)

    def died(self, service: ServiceName) -> None:
        """Wait until it has killed itself."""
        assert self._running.pop(service).wait(60) == -signal.SIGKILL

    def stop(self, service: ServiceName) -> None:
        """SIGTERM; it has to end by itself."""
        process = self._running.pop(service)
        process.terminate()
        assert process.wait(30) == 0

    def pids(self) -> dict[ServiceName, int]:
        """Process id of each that was started."""
        return {service: process.pid for service, process in self._running.items()}

    def kill(self) -> None:
        """What is left of them."""
        for process in self._running.values():
            process.kill()
            process.wait()


@contextmanager
def running(
    folder: Path, free_port: Callable[[], int], url: str, *, seen_as: str | None = None, **settings: str
) -> Iterator[Services]:
    """All three, started on the database at `url`. seen_as: the address that they are given for it; settings: more of
    their environment."""
    environment = {"TASUKI_DATABASE_URL": seen_as or url, **settings}
    services = Services(System(folder / "data", free_port, environment), url)
    prepare = [sys.executable, "-m", "shared.prepare"]
    subprocess.run(prepare, cwd=ROOT, env=services.system.environment, check=True)
    try:
        for service in SERVICES:
            services.start(service)
        yield services
    finally:
        services.kill()


def in_background(send: Callable[[Client], Reply], system: System) -> Callable[[], Reply]:
    """Sends from a thread, until there is an answer; what is returned waits for it."""
    replies: list[Reply] = []

    def work() -> None:
        with closing(Client(system)) as client:
            while not replies:
                try:
                    replies.append(send(client))
                except InFlight:
                    time.sleep(0.1)

    thread = threading.Thread(target=work)
    thread.start()

    def answer() -> Reply:
        thread.join()
        return replies[0]

    return answer
