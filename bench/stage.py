"""What a measurement runs on: a private PostgreSQL, processes beside it, free ports."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from shared.postgres import PrivatePostgres
from shared.process import die_with_parent

READY_WITHIN_S = 30.0


def environment(url: str, **more: str) -> dict[str, str]:
    """Of a process on this database; nothing of `TASUKI_*` outside counts."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TASUKI_")}
    return plain | {"TASUKI_DATABASE_URL": url, "TASUKI_LOG_LEVEL": "warning"} | more


class Database(NamedTuple):
    """A private PostgreSQL with all schemas: where it is, the admin's key, and the process id of its first process."""

    url: str
    key: str
    pid: int


@contextmanager
def database() -> Iterator[Database]:
    """A fresh one, until the block ends."""
    with tempfile.TemporaryDirectory(prefix="tasuki-bench-") as folder, PrivatePostgres(Path(folder) / "data") as url:
        key = secrets.token_hex(16)
        subprocess.run([sys.executable, "-m", "shared.prepare"], env=environment(url, TASUKI_ADMIN_KEY=key), check=True)
        pid_file = Path(folder) / "data" / "postgres" / "data" / "postmaster.pid"
        yield Database(url, key, int(pid_file.read_text().split()[0]))


@contextmanager
def serving(arguments: list[str], env: Mapping[str, str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m <arguments>` that listens on the port, until the block ends."""
    with started(arguments, env) as process:
        wait_for(port, process)
        yield process


@contextmanager
def started(arguments: list[str], env: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m <arguments>` until the block ends, whether or not it listens yet."""
    process = subprocess.Popen([sys.executable, "-m", *arguments], env=env, preexec_fn=die_with_parent(signal.SIGKILL))
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until the process listens on the port. Raises RuntimeError when it does not."""
    deadline = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"nothing listens on port {port}: {process.args!r}") from error
            time.sleep(0.05)
        else:
            return
