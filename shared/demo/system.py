"""The running system that the demo talks to: found on its ports, or started by the demo and ended with it."""

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import IO, Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from shared.process import die_with_parent, how_it_ended
from shared.settings import ServiceName, Settings

_READY_WITHIN_S: Final = 120.0
_ENDS_WITHIN_S: Final = 15.0
SERVICES: Final[tuple[ServiceName, ...]] = ("ingest", "handoff", "metrics")
"""Those that the demo talks to; others may run beside or not."""
_PUBLISHERS: Final[tuple[ServiceName, ...]] = ("ingest", "handoff")


class NotRunning(Exception):
    """There is no system to talk to; the message says why and what to do."""


@contextmanager
def running(settings: Settings, say: Callable[[str], None]) -> Iterator[bool]:
    """A system that is ready. Yields whether it was started here: then that is said, and it ends on leaving.

    Raises NotRunning.
    """
    if any(_answers(settings, service) is not None for service in SERVICES):
        _wait_ready(settings, None)
        yield False
        return
    say("Nothing answers on the ports, so the demo starts the system itself.")
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "shared.cli", "run", *SERVICES],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # a terminal's Ctrl-C is for us, who end it in order
            preexec_fn=die_with_parent(signal.SIGTERM),
        )
        try:
            _wait_ready(settings, process)
            yield True
        except NotRunning as error:
            _end(process)
            raise NotRunning(f"{error}\n{_said(output)}") from error
        finally:
            _end(process)


def key_is(settings: Settings) -> str:
    """Where the admin key is to be found, in words."""
    path: Path = settings.data_dir / "admin.key"
    return "in TASUKI_ADMIN_KEY" if settings.admin_key else f"in {path}"


async def waiting(http: httpx.AsyncClient, settings: Settings) -> int:
    """How many events the services have taken and not yet published, by their own metrics."""
    found = 0.0
    for service in _PUBLISHERS:
        answer = await http.get(f"{settings.url(service)}/metrics")
        answer.raise_for_status()
        for family in text_string_to_metric_families(answer.text):
            found += sum(sample.value for sample in family.samples if sample.name == "tasuki_outbox_pending")
    return int(found)


def _wait_ready(settings: Settings, process: "subprocess.Popen[bytes] | None") -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while unready := [service for service in SERVICES if _answers(settings, service) != HTTPStatus.OK]:
        if process is not None and (status := process.poll()) is not None:
            raise NotRunning(f"The system ended at its start ({how_it_ended(status)}); it said:")
        if time.monotonic() > deadline:
            where = ", ".join(f"{service} at {settings.url(service)}" for service in unready)
            raise NotRunning(f"Not ready within {_READY_WITHIN_S:.0f} s: {where}. Its /readyz says what it waits for.")
        time.sleep(0.1)


def _answers(settings: Settings, service: ServiceName) -> int | None:
    """The status of the service's /readyz; None when nobody answers there."""
    try:
        return httpx.get(f"{settings.url(service)}/readyz", timeout=5.0, trust_env=False).status_code
    except httpx.TransportError:
        return None


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()  # its children end with it
        process.wait()


def _said(output: IO[bytes]) -> str:
    output.seek(0)
    return output.read().decode(errors="replace")
