"""The private PostgreSQL under the data folder: nobody has to install, configure or start a database.

It listens on a Unix socket only, asks for a random password, and is a child of the process that starts it: when that process ends,
by whatever means, the server shuts down by itself. fsync stays on, so what was committed survives all of this.

Layout of the data folder:
    postgres/data       the cluster; made under another name and renamed, so a half-made one is never used
    postgres/           the socket; the only folder that the server's user owns
    postgres.password   password of the role `postgres` (0600)
    postgres.log        what the server says
    database.url        the address, for psql and other tools (0600)
    lock                held while a supervisor uses this folder
"""

import fcntl
import hashlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

from shared.postgres_install import PostgresError, find_install, make_traversable, server_user
from shared.process import die_with_parent, processes_marked

__all__ = ["PostgresError", "PrivatePostgres"]

_SOCKET_PATH_MAX = 100  # bytes; the kernel's limit is 107 on Linux and 103 on macOS
_LOG_MAX = 16 * 1024 * 1024  # bytes; a longer log is set aside at the next start
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "192MB",
    "max_wal_size": "1GB",  # bounds both the disk used and the time that recovery takes
    "checkpoint_timeout": "15min",
    "jit": "off",  # our statements are short; compiling them costs more than it brings
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
    "log_min_error_statement": "panic",  # statements hold personal data, the log must not
    "log_parameter_max_length_on_error": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class PrivatePostgres:
    """One private server for one data folder. `with PrivatePostgres(folder) as url:` or `start()` and `stop()`.

    Start it in a thread that lives as long as the server should (the main thread), see `die_with_parent`.
    """

    def __init__(self, data_dir: Path, database: str = "tasuki") -> None:
        self._folder = data_dir.absolute()
        self._database = database
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None
        self._stopping = False

    def __enter__(self) -> str:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """Process id of the server, once it was launched."""
        return self._process.pid if self._process else None

    def start(self, ready_within: float = 120.0) -> str:
        """Starts the server, makes the cluster at the first time, and returns its URL when it takes connections.

        Raises PostgresError when another supervisor uses the folder or the server does not get ready within `ready_within` seconds.
        """
        try:
            self.prepare()
            self.launch()
            return self.wait_ready(ready_within)
        except BaseException:
            self.stop()
            raise

    def prepare(self) -> None:
        """Takes the folder, waits until what an earlier supervisor left behind is gone, makes the cluster if there is none."""
        self._stopping = False
        self._take_folder()
        self._install = find_install()
        self._owner = server_user(self._home)
        self._own_folders()
        self._wait_for_leftovers()
        self._make_cluster()
        self._socket_folder = self._choose_socket_folder()
        # Nobody serves this cluster now (the lock, and the wait above): a pid file is stale, and its number may be another's by now.
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)

    def launch(self) -> None:
        """Starts the server process without waiting for it."""
        log = self._folder / "postgres.log"
        if log.exists() and log.stat().st_size > _LOG_MAX:
            log.replace(log.with_suffix(".log.1"))
        options = {**_SETTINGS, "unix_socket_directories": str(self._socket_folder), "cluster_name": self._mark}
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with log.open("ab") as output:
            log.chmod(0o600)
            self._process = subprocess.Popen(  # noqa: S603
                [self._install.program("postgres"), "-D", str(self._cluster), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._home,
                env=self._environment(),
                start_new_session=True,  # a terminal's Ctrl-C is for the supervisor, which stops the services first
                preexec_fn=die_with_parent(
                    signal.SIGINT
                ),  # SIGINT: fast shutdown, nothing to recover at the next start
                **self._owner.popen_arguments(),
            )

    def wait_ready(self, within: float = 120.0) -> str:
        """Waits until the launched server takes connections (after a crash it recovers first); returns its URL."""
        if self._process is None:
            raise PostgresError("The server was not launched.")
        deadline = time.monotonic() + within
        while not self._is_ready(self._process.pid):
            status = self._process.poll()
            if status is not None:
                raise PostgresError(f"PostgreSQL ended with status {status} at its start:\n{self._log_tail()}")
            if time.monotonic() > deadline:
                raise PostgresError(f"PostgreSQL was not ready after {within:.0f} s:\n{self._log_tail()}")
            time.sleep(0.02)
        url = self.url()
        _write_private(self._folder / "database.url", url + "\n")
        return url

    def wait(self) -> int:
        """Blocks until the server has ended; returns its exit status (negative: the signal)."""
        if self._process is None:
            raise PostgresError("The server was not launched.")
        return self._process.wait()

    def stop(self, fast_within: float = 60.0) -> None:
        """Fast shutdown; after `fast_within` seconds an immediate one, from which the next start recovers. Then lets go of the folder."""
        self._stopping = True
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            for order, patience in ((signal.SIGINT, fast_within), (signal.SIGQUIT, 1.0), (signal.SIGKILL, None)):
                process.send_signal(order)
                try:
                    process.wait(patience)
                    break
                except subprocess.TimeoutExpired:
                    continue
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def url(self) -> str:
        """Address of the database, for asyncpg, psql and (with `+asyncpg`) SQLAlchemy."""
        return f"postgresql://postgres:{self._password()}@/{self._database}?host={quote(str(self._socket_folder))}"

    @property
    def _home(self) -> Path:
        return self._folder / "postgres"

    @property
    def _cluster(self) -> Path:
        return self._home / "data"

    @property
    def _password_file(self) -> Path:
        return self._folder / "postgres.password"

    @property
    def _mark(self) -> str:
        """Stands in the command line of the server and in the titles of all its processes; nobody else's."""
        return f"tasuki-{hashlib.sha256(os.fsencode(self._folder.resolve())).hexdigest()[:16]}"

    def _take_folder(self) -> None:
        if self._lock is not None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = (self._folder / "lock").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise PostgresError(
                f"{self._folder} is in use by another running Tasuki. Stop that one first, or set TASUKI_DATA_DIR to another folder."
            ) from None
        self._lock = lock

    def _own_folders(self) -> None:
        self._home.mkdir(mode=0o700, exist_ok=True)
        if self._owner.other:
            os.chown(self._home, self._owner.uid, self._owner.gid)
            make_traversable(self._home.resolve().parent)
            self._install.make_readable()

    def _wait_for_leftovers(self, within: float = 60.0) -> None:
        """A killed supervisor's server is shutting down, or (killed itself) its backends are about to notice."""
        deadline = time.monotonic() + within
        told = False
        while left := processes_marked(self._mark):
            if not told and self._process is None:
                for pid in self._postmaster_of(left):
                    os.kill(pid, signal.SIGINT)  # where no parent-death signal exists, nobody has told it yet
                told = True
            if self._stopping:
                raise PostgresError("Stopped while waiting for an earlier PostgreSQL.")
            if time.monotonic() > deadline:
                raise PostgresError(f"Processes {left} still use {self._cluster} after {within:.0f} s. End them first.")
            time.sleep(0.05)

    def _postmaster_of(self, pids: list[int]) -> list[int]:
        try:
            first = int((self._cluster / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return []
        return [first] if first in pids else []

    def _make_cluster(self) -> None:
        if self._cluster.exists():
            if not self._password_file.exists():
                password = secrets.token_hex(24)
                self._single_user(self._cluster, f"alter role postgres password '{password}'")
                _write_private(self._password_file, password + "\n")
            return
        if not self._password_file.exists():
            _write_private(self._password_file, secrets.token_hex(24) + "\n")
        unfinished = self._home / "unfinished"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        with tempfile.NamedTemporaryFile("w", dir=self._home, prefix="password-") as file:
            file.write(self._password())
            file.flush()
            os.fchown(file.fileno(), self._owner.uid, self._owner.gid)
            self._run(
                [self._install.program("initdb"), "-D", str(unfinished), "--username=postgres", f"--pwfile={file.name}"]
                + ["--auth=scram-sha-256", "--encoding=UTF8", *self._install.locale_arguments()]
            )
        self._single_user(unfinished, f'create database "{self._database}"')
        unfinished.rename(self._cluster)

    def _single_user(self, cluster: Path, statement: str) -> None:
        self._run(
            [self._install.program("postgres"), "--single", "-j", "-D", str(cluster), "postgres"], statement + ";\n\n"
        )

    def _run(self, command: list[str], statement: str = "") -> None:
        done = subprocess.run(  # noqa: S603
            command,
            input=statement.encode(),
            capture_output=True,
            check=False,
            cwd=self._home,
            env=self._environment(),
            preexec_fn=die_with_parent(signal.SIGKILL),
            **self._owner.popen_arguments(),
        )
        if (
            done.returncode != 0 or b"ERROR:" in done.stderr
        ):  # single-user mode reports a failed statement only in words
            raise PostgresError(f"{command[0]} failed: {done.stderr.decode(errors='replace').strip()}")

    def _choose_socket_folder(self) -> Path:
        if len(os.fsencode(self._home / ".s.PGSQL.5432")) <= _SOCKET_PATH_MAX:
            return self._home
        for base in dict.fromkeys((tempfile.gettempdir(), "/tmp")):  # noqa: S108 (private folder, owner checked)
            folder = Path(base) / self._mark
            if len(os.fsencode(folder / ".s.PGSQL.5432")) <= _SOCKET_PATH_MAX:
                self._owner.private_folder(folder)
                return folder
        raise PostgresError(f"{self._home} is too long for a Unix socket: set TASUKI_DATA_DIR to a shorter path.")

    def _is_ready(self, pid: int) -> bool:
        try:
            lines = (self._cluster / "postmaster.pid").read_text().split("\n")
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"

    def _environment(self) -> dict[str, str]:
        """Little of our own: no key and no secret of the services. TASUKI_DATA_DIR tells to whom the process belongs."""
        kept = ("PATH", "LD_LIBRARY_PATH", "TASUKI_DATA_DIR")
        return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C", "TZ": "UTC"}

    def _password(self) -> str:
        return self._password_file.read_text().strip()

    def _log_tail(self) -> str:
        return "\n".join((self._folder / "postgres.log").read_text(errors="replace").splitlines()[-10:])


def _write_private(path: Path, text: str) -> None:
    """Writes a file that only we may read, whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
