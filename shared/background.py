"""`tasuki up` and `down`: the whole system in the background of this machine.

What `up` starts is `tasuki run` in a session of its own. It inherits a lock on `up.pid` in the data folder and holds it
as long as it lives, however it ends: so a number in that file is never taken for a process that only has it now.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from shared.keeper import is_ready
from shared.ports import PortError, require_free_ports
from shared.process import how_it_ended
from shared.settings import PROCESSES, Settings

LOG: Final = "tasuki.log"
_LOCK: Final = "up.pid"
_READY_WITHIN_S: Final = 180.0
_ENDS_WITHIN_S: Final = 20.0
_LINES: Final = 30


class BackgroundError(Exception):
    """It cannot be started or ended; the message says why and what to do."""


def up(settings: Settings, tell: Callable[[str], None]) -> bool:
    """Start everything unless `up` has done so already, and wait until all is ready; whether it was started now.

    tell: gets what is still waited for, whenever that changes. Raises BackgroundError; what was started is ended then.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with _lock(settings) as lock:
        if not _taken(lock):
            _wait_ready(settings, lambda: not _is_free(settings), tell)
            return False
        try:
            require_free_ports(settings)
        except PortError as error:
            raise BackgroundError(f"{error} Is it a Tasuki that `tasuki run` has started?") from error
        _write(lock, "")
        log = settings.data_dir / LOG
        begins_at = log.stat().st_size if log.exists() else 0
        process = _start(log, lock)
        _write(lock, str(process.pid))
        try:
            _wait_ready(settings, lambda: process.poll() is None, tell)
        except BaseException as error:
            process.send_signal(signal.SIGTERM)
            status = process.wait()
            if isinstance(error, BackgroundError):
                said = _last_lines(log, begins_at)
                raise BackgroundError(f"{error} ({how_it_ended(status)}). The end of {log}:\n{said}") from error
            raise
        return True


def down(settings: Settings) -> bool:
    """End what `up` has started, in order; whether there was anything. Raises BackgroundError when it does not end."""
    if not (settings.data_dir / _LOCK).exists():
        return False
    with _lock(settings) as lock:
        if _taken(lock):
            return False
        said = lock.read()
        if not said:
            raise BackgroundError("it is being started just now: try again in a second")
        pid = int(said)
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + _ENDS_WITHIN_S
        while not _taken(lock):
            if time.monotonic() > deadline:
                raise BackgroundError(
                    f"process {pid} has not ended within {_ENDS_WITHIN_S:.0f} s: see {LOG}, or kill it"
                )
            time.sleep(0.05)
    return True


def _start(log: Path, lock: IO[str]) -> "subprocess.Popen[bytes]":
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "shared.cli", "run"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=[lock.fileno()],
        )


@contextmanager
def _lock(settings: Settings) -> Iterator[IO[str]]:
    with (settings.data_dir / _LOCK).open("a+") as file:
        file.seek(0)
        yield file


def _taken(lock: IO[str]) -> bool:
    """Whether the lock is ours now: nobody that `up` has started lives."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_free(settings: Settings) -> bool:
    with _lock(settings) as lock:
        return _taken(lock)


def _write(lock: IO[str], text: str) -> None:
    lock.truncate(0)
    lock.write(text)
    lock.flush()


def _wait_ready(settings: Settings, lives: Callable[[], bool], tell: Callable[[str], None]) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    told = ""
    while unready := [name for name in PROCESSES if not is_ready(settings.host, settings.port(name))]:
        if not lives():
            raise BackgroundError("The system ended at its start")
        if time.monotonic() > deadline:
            raise BackgroundError(f"Not ready within {_READY_WITHIN_S:.0f} s: {', '.join(unready)}")
        waits = f"waiting for {', '.join(unready)}"
        if waits != told:
            told = waits
            tell(told)
        time.sleep(0.1)


def _last_lines(log: Path, begins_at: int) -> str:
    with log.open("rb") as file:
        file.seek(begins_at)
        return "\n".join(file.read().decode(errors="replace").splitlines()[-_LINES:])
