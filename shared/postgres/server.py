"""One private server for one data folder."""

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
from typing import IO
from urllib.parse import quote

from shared.files import write_private
from shared.postgres.cluster import Cluster, environment
from shared.postgres.install import Interrupted, PostgresError, ServerUser, find_install, make_traversable, server_user
from shared.process import die_with_parent, how_it_ended, processes_marked

_SOCKET_PATH_MAX = 100  # bytes; the kernel's limit is 107 on Linux and 103 on macOS
_LOCK_PATIENCE = 3.0  # seconds for a supervisor that is about to end
_LOG_MAX = 16 * 1024 * 1024  # bytes; a longer log is set aside at the next start
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "max_wal_size": "1GB",  # bounds both the disk used and the time that recovery takes
    "checkpoint_timeout": "15min",
    "jit": "off",  # our statements are short; compiling them costs more than it brings
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
    "log_min_error_statement": "panic",  # statements hold personal data, which no log may show
    "log_parameter_max_length_on_error": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""What a container may use, in both forms of Linux's groups."""


def memory_bytes() -> int:
    """What this machine, or the container on it, has."""
    of_machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([of_machine, *(int(said) for path in _LIMITS if (said := _said(Path(path))).isdecimal())])


def _said(limit: Path) -> str:
    try:
        return limit.read_text().strip()
    except OSError:  # there is no such group here
        return ""


def buffers_mb(memory: int) -> int:
    """MB of PostgreSQL's buffers: an eighth of the memory, and no more than the indexes of ten million events need."""
    return min(max(memory // 8 // 2**20, 128), 768)


class PrivatePostgres:
    """`with PrivatePostgres(folder) as url:`, or `start()` and `stop()`.

    To be started in a thread that lives as long as the server should (the main thread), see `die_with_parent`.
    """

    def __init__(self, data_dir: Path, database: str = "tasuki") -> None:
        self._folder = data_dir.absolute()
        self._home = self._folder / "postgres"
        self._password_file = self._folder / "postgres.password"
        self._database = database
        # Stands in the server's command line and in the titles of all its processes, and in nobody else's.
        self._mark = f"tasuki-{hashlib.sha256(os.fsencode(self._folder.resolve())).hexdigest()[:16]}"
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None
        self._interrupted = False
        self._socket_folder = self._home

    def __enter__(self) -> str:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def take_folder(self) -> None:
        """Makes the data folder and locks it until `stop()`; PostgresError when another supervisor holds it."""
        if self._lock is not None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = (self._folder / "lock").open("a")
        deadline = time.monotonic() + _LOCK_PATIENCE
        while not _locked(lock):
            if time.monotonic() > deadline:
                lock.close()
                raise PostgresError(
                    f"{self._folder} is in use by another running Tasuki: stop that one, "
                    "or set TASUKI_DATA_DIR to another folder (and TASUKI_*_PORT to other ports)."
                )
            time.sleep(0.05)
        self._lock = lock

    def start(self, ready_within: float = 120.0) -> str:
        """Starts the server, makes the cluster at the first time, and returns its URL when it takes connections.

        Waits for what an earlier supervisor left behind. PostgresError when the folder is taken or the server is not
        ready within `ready_within` seconds.
        """
        try:
            self.take_folder()
            cluster = self._prepare()
            self._process = self._launch(cluster)
            self._wait_ready(cluster, self._process, ready_within)
            write_private(self._folder / "database.url", self._url + "\n")
        except BaseException as error:
            self.stop()
            if isinstance(error, OSError):  # a full disk: whoever keeps it running tries again
                raise PostgresError(f"PostgreSQL's files cannot be written: {error}") from error
            raise
        return self._url

    def ended(self) -> int | None:
        """The exit status of a started server that has ended (negative: the signal); None while it runs."""
        return self._process.poll() if self._process else None

    def interrupt(self) -> None:
        """For signal handlers: makes a `start()` that is under way give up soon."""
        self._interrupted = True

    def kill(self) -> None:
        """For signal handlers: immediate shutdown; the next start recovers."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)

    def stop(self, fast_within: float = 20.0) -> None:
        """Fast shutdown; after `fast_within` seconds an immediate one. Then lets go of the folder."""
        process = self._process
        if process is not None and process.poll() is None:
            orders = ((signal.SIGINT, fast_within), (signal.SIGQUIT, 1.0), (signal.SIGKILL, None))
            for order, patience in orders[1:] if self._recovers() else orders:
                process.send_signal(order)
                try:
                    process.wait(patience)
                    break
                except subprocess.TimeoutExpired:
                    continue
        if self._socket_folder != self._home:
            shutil.rmtree(self._socket_folder, ignore_errors=True)  # only a courtesy: it is made and checked anew
            self._socket_folder = self._home
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _recovers(self) -> bool:
        """Whether the server recovers from a crash: the next start begins that anew. Version 18, told to shut down
        fast then, ends its recovery and waits for ever."""
        return bool(processes_marked(f"{self._mark}: startup"))

    def _prepare(self) -> Cluster:
        install = find_install()
        owner = server_user(self._home)
        self._home.mkdir(mode=0o700, exist_ok=True)
        if owner.other:
            os.chown(self._home, owner.uid, owner.gid)
            make_traversable(self._home.resolve().parent)
            install.make_readable()
        self._program, self._owner = install.program("postgres"), owner
        cluster = Cluster(self._home, install, owner)
        self._wait_for_leftovers(cluster)
        # Nobody serves this cluster (our lock, and the wait): a pid file is stale, its number may be another's by now.
        cluster.forget_postmaster()
        self._make(cluster)
        self._socket_folder = self._choose_socket_folder(owner)
        self._url = f"postgresql://postgres:{self._password()}@/{self._database}?host={quote(str(self._socket_folder))}"
        return cluster

    def _make(self, cluster: Cluster) -> None:
        if not cluster.data.exists():
            if not self._password_file.exists():
                write_private(self._password_file, secrets.token_hex(24) + "\n")
            cluster.make(self._password(), self._database)
        elif not self._password_file.exists():
            password = secrets.token_hex(24)
            cluster.set_password(password)
            write_private(self._password_file, password + "\n")

    def _launch(self, cluster: Cluster) -> subprocess.Popen[bytes]:
        log = self._folder / "postgres.log"
        if log.exists() and log.stat().st_size > _LOG_MAX:
            log.replace(log.with_suffix(".log.1"))
        options = {
            **_SETTINGS,
            "shared_buffers": f"{buffers_mb(memory_bytes())}MB",
            "unix_socket_directories": str(self._socket_folder),
            "cluster_name": self._mark,
        }
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with log.open("ab") as output:
            log.chmod(0o600)
            return subprocess.Popen(
                [self._program, "-D", str(cluster.data), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._home,
                env=environment(),
                start_new_session=True,  # a terminal's Ctrl-C is for the supervisor, which stops the services first
                preexec_fn=die_with_parent(signal.SIGINT),  # fast shutdown: nothing to recover at the next start
                **self._owner.popen_arguments(),
            )

    def _wait_ready(self, cluster: Cluster, process: subprocess.Popen[bytes], within: float) -> None:
        deadline = time.monotonic() + within
        while not cluster.is_ready(process.pid):
            status = process.poll()
            if status is not None:
                raise PostgresError(f"PostgreSQL ended at its start ({how_it_ended(status)}):\n{self._log_tail()}")
            self._give_up_when_interrupted()
            if time.monotonic() > deadline:
                raise PostgresError(f"PostgreSQL was not ready after {within:.0f} s:\n{self._log_tail()}")
            time.sleep(0.02)

    def _wait_for_leftovers(self, cluster: Cluster, fast_within: float = 30.0, within: float = 60.0) -> None:
        """A killed supervisor's server is still shutting down, or its backends are about to notice that it is gone."""
        deadline = time.monotonic() + within
        order_at = time.monotonic() + fast_within
        left = processes_marked(self._mark)
        if (postmaster := cluster.postmaster()) in left:
            os.kill(postmaster, signal.SIGINT)  # where there is no parent-death signal, nobody has told it yet
        while left:
            self._give_up_when_interrupted()
            if time.monotonic() > deadline:
                raise PostgresError(
                    f"Processes {left} of an earlier PostgreSQL use {cluster.data} after {within:.0f} s: end them."
                )
            time.sleep(0.05)
            left = processes_marked(self._mark)
            if postmaster in left and time.monotonic() > order_at:
                os.kill(postmaster, signal.SIGQUIT)  # see `_recovers`
                order_at = deadline

    def _give_up_when_interrupted(self) -> None:
        if self._interrupted:
            raise Interrupted("Stopped before PostgreSQL was ready.")

    def _choose_socket_folder(self, owner: ServerUser) -> Path:
        short = [Path(base) / self._mark for base in (tempfile.gettempdir(), "/tmp")]  # noqa: S108 (owner is checked)
        for folder in (self._home, *short):
            if len(os.fsencode(folder / ".s.PGSQL.5432")) <= _SOCKET_PATH_MAX:
                if folder != self._home:
                    owner.private_folder(folder)
                return folder
        raise PostgresError(f"{self._home} is too long for a Unix socket: set TASUKI_DATA_DIR to a shorter path.")

    def _password(self) -> str:
        return self._password_file.read_text().strip()

    def _log_tail(self) -> str:
        return "\n".join((self._folder / "postgres.log").read_text(errors="replace").splitlines()[-10:])


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
