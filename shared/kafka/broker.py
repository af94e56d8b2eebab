"""One broker: a process, its folder and its ports."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shared.kafka.ask import ask
from shared.kafka.install import BrokerError, Install
from shared.ports import PortError, require_free_port
from shared.process import die_with_parent, how_it_ended

_LOG_MAX = 16 * 1024 * 1024  # bytes; a longer log is set aside at the next start
_PORT_PATIENCE = 3.0  # seconds for a broker of a killed parent that is about to end


@dataclass(frozen=True)
class Ports:
    """Where a broker listens: for clients, other brokers and the quorum; `advertised` is what clients are told. `more`:
    of further listeners for clients, by their names, the host that clients are told, and the port."""

    client: int
    internal: int
    controller: int
    advertised: int
    more: Mapping[str, tuple[str, int]] = field(default_factory=dict)


class Broker:
    """Broker `node` of a cluster. `start()` does not wait until it is ready, `wait_ready()` does.

    To be started in a thread that lives as long as the broker should (the main thread), see `die_with_parent`.
    """

    def __init__(
        self, install: Install, folder: Path, host: str, node: int, ports: Ports, options: Sequence[str] = ()
    ) -> None:
        self.node = node
        self.ports = ports
        self.log = folder / "broker.log"
        self._install = install
        self._folder = folder
        self._host = host
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def prepare(self, cluster_id: str, properties: Mapping[str, str], users: Mapping[str, str]) -> None:
        """Writes its configuration, and formats its storage at the first time, with users (name -> password)."""
        (self._folder / "tmp").mkdir(parents=True, exist_ok=True)
        data = self._folder / "data"
        lines = [f"{name}={value}\n" for name, value in {**properties, **self._own(data)}.items()]
        (self._folder / "server.properties").write_text("".join(lines))
        if not (data / "meta.properties").exists():  # the last file that formatting writes
            shutil.rmtree(data, ignore_errors=True)
            self._format(cluster_id, users)

    def start(self) -> None:
        """Starts the process. BrokerError when one of its ports is taken."""
        self._require_free_ports()
        if self.log.exists() and self.log.stat().st_size > _LOG_MAX:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command("kafka.Kafka", "server.properties", options=self._options),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._folder,
                env=_environment(),
                start_new_session=True,  # a terminal's Ctrl-C is for whoever has started it, and stops clients first
                preexec_fn=die_with_parent(signal.SIGKILL),  # which loses nothing that was written
            )

    def wait_ready(self, within: float = 60.0) -> None:
        """Waits until it answers and counts as a broker of its cluster. BrokerError when it ends or takes too long."""
        deadline = time.monotonic() + within
        while not self.is_ready():
            self.check_start(within, deadline)
            time.sleep(0.02)

    def check_start(self, within: float, deadline: float) -> None:
        """BrokerError when it has ended, or when `deadline` (monotonic), `within` seconds after its start, is over."""
        status = self.ended()
        if status is not None:
            raise BrokerError(f"Broker {self.node} ended at its start ({how_it_ended(status)}):\n{self.log_tail()}")
        if time.monotonic() > deadline:
            raise BrokerError(f"Broker {self.node} was not ready after {within:.0f} s:\n{self.log_tail()}")

    def is_ready(self) -> bool:
        """Whether it answers now and says that it is a broker of its cluster."""
        try:
            return self.node in ask(self._host, self.ports.client).brokers
        except OSError:  # it does not listen yet
            return False

    @property
    def pid(self) -> int | None:
        """Of the process that was started last, None before that."""
        return self._process.pid if self._process else None

    def ended(self) -> int | None:
        """The exit status of a started broker that has ended (negative: the signal); None while it runs."""
        return self._process.poll() if self._process else None

    def send(self, order: signal.Signals) -> None:
        """Sends a signal, unless it has ended."""
        if self._process is not None:
            self._process.send_signal(order)

    def suspend(self) -> None:
        """Sends SIGSTOP, and returns when it has stopped: a moment passes in which it could still answer."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def wait_ended(self, within: float = 30.0) -> None:
        """Waits for an end that was asked for; after `within` seconds makes it with SIGKILL."""
        if self._process is None:
            return
        try:
            self._process.wait(within)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def log_tail(self) -> str:
        """The last lines of its log."""
        return _tail(self.log.read_text(errors="replace") if self.log.exists() else "")

    def _own(self, data: Path) -> dict[str, str]:
        """What stands in its configuration alone. Brokers have a listener of their own, so that clients' can be cut."""
        ports, host = self.ports, self._host
        told = {"CLIENT": (host, ports.advertised), "INTERNAL": (host, ports.internal), **ports.more}
        listens = {name: (host, port) for name, (_, port) in told.items()}
        listens |= {"CLIENT": (host, ports.client), "CONTROLLER": (host, ports.controller)}
        return {
            "node.id": str(self.node),
            "log.dirs": str(data),
            "listeners": ",".join(f"{name}://{at}:{port}" for name, (at, port) in listens.items()),
            "advertised.listeners": ",".join(f"{name}://{at}:{port}" for name, (at, port) in told.items()),
        }

    def _format(self, cluster_id: str, users: Mapping[str, str]) -> None:
        added = [f"SCRAM-SHA-512=[name={name},password={password}]" for name, password in users.items()]
        scram = [argument for user in added for argument in ("--add-scram", user)]
        done = subprocess.run(
            self._command(
                "kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}", "-c", "server.properties", *scram
            ),
            capture_output=True,
            check=False,
            cwd=self._folder,
            env=_environment(),
            preexec_fn=die_with_parent(signal.SIGKILL),
        )
        if done.returncode != 0:
            raise BrokerError(f"Broker {self.node}: formatting failed:\n{_tail(done.stderr.decode(errors='replace'))}")

    def _command(self, program: str, *arguments: str, options: Sequence[str] = ()) -> list[str]:
        # Its native libraries are unpacked into the temporary folder, and stay there after a SIGKILL.
        own = f"-Djava.io.tmpdir={self._folder / 'tmp'}"
        return self._install.command(program, *arguments, options=[own, *options])

    def _require_free_ports(self) -> None:
        deadline = time.monotonic() + _PORT_PATIENCE
        more = [port for _, port in self.ports.more.values()]
        for port in (self.ports.client, self.ports.internal, self.ports.controller, *more):
            while True:
                try:
                    require_free_port(self._host, port, "--port")
                    break
                except PortError as error:
                    if time.monotonic() > deadline:
                        raise BrokerError(f"Broker {self.node}: {error}") from error
                    time.sleep(0.05)


def _tail(log: str) -> str:
    """The last ten lines, without the places in the broker's code."""
    return "\n".join([line for line in log.splitlines() if not line.startswith("\tat ")][-10:])


def _environment() -> dict[str, str]:
    """No key and no secret of ours, but TASUKI_DATA_DIR, which tells whose process it is."""
    kept = ("PATH", "LD_LIBRARY_PATH", "TASUKI_DATA_DIR")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C", "TZ": "UTC"}
