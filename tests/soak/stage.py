"""What a soak runs on: three brokers, the system, and more replicas of its services beside it."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from shared.eventlog import topics
from shared.kafka import Cluster
from shared.kafka.cluster import free_ports
from shared.settings import ServiceName, Settings
from tests.faults.inside import errors_in
from tests.faults.replicas import Replica
from tests.soak.actions import BROKERS, HANDOFF, METRICS, POSTGRES
from tests.system import SERVICES, System, until

BESIDE: dict[str, ServiceName] = {
    "ingest 2": "ingest",
    "handoff 2": "handoff",
    "metrics 2": "metrics",
    "metrics 3": "metrics",
}
"""Processes beside those that the system keeps running (ingest 1, handoff 1, metrics 1), and their service."""


class Stage:
    """Names are those of `actions`. Methods are for the main thread: brokers are its children."""

    def __init__(self, system: System, cluster: Cluster, beside: dict[str, Replica]) -> None:
        self.system = system
        self.cluster = cluster
        self._beside = beside

    def ports(self, service: ServiceName) -> list[int]:
        """Of all replicas of a service, the system's own first."""
        return [self.system.port[service], *(r.port for r in self._beside.values() if r.service == service)]

    def kill(self, name: str) -> None:
        """SIGKILL, and wait until it has ended. One that is just starting again is waited for."""
        if (node := _node(name)) is not None:
            self.cluster.kill(node)
            return
        self.system.wait_for(lambda: self.pids(name) != [])
        pids = self.pids(name)
        for pid in pids:
            _send(pid, signal.SIGKILL)
        self.system.wait_for(lambda: not set(pids) & set(self.pids(name)))

    def pause(self, name: str) -> list[int]:
        """SIGSTOP; the processes that were sent it."""
        node = _node(name)
        if node is None:
            self.system.wait_for(lambda: self.pids(name) != [])
        pids = self.pids(name)
        for pid in pids:
            _send(pid, signal.SIGSTOP)
        return pids

    def resume(self, pids: list[int]) -> None:
        """SIGCONT to those that `pause` has told."""
        for pid in pids:
            _send(pid, signal.SIGCONT)

    def keep(self) -> None:
        """Start again the replicas that have ended, as the system's supervisor does with its own."""
        for replica in self._beside.values():
            if replica.process.poll() is not None:
                replica.start()

    def start_broker(self, name: str) -> None:
        """Start a killed broker again, without waiting until it is ready."""
        node = _node(name)
        assert node is not None
        self.cluster.brokers[node].start()

    def restore(self) -> None:
        """Whatever is dead or paused: have it back, and wait until it is ready."""
        for name in (*BROKERS, *METRICS, *HANDOFF):
            self.resume(self.pids(name))
        for name in BROKERS:
            if self.cluster.brokers[int(name.split(" ")[1])].ended() is not None:
                self.start_broker(name)
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until every broker and every replica is ready."""
        for broker in self.cluster.brokers.values():
            until(broker.is_ready, 120, broker.log_tail)
        deadline = time.monotonic() + 120
        for service in SERVICES:
            for port in self.ports(service):
                while not self.system.is_ready(service, port):
                    assert time.monotonic() < deadline, f"{service} on port {port} is not ready"
                    self.keep()
                    time.sleep(0.2)

    def pids(self, name: str) -> list[int]:
        """Processes of that name, none while it is about to be started again."""
        if name == POSTGRES:
            return self.system.processes("bin/postgres")
        if (node := _node(name)) is not None:
            pid = self.cluster.brokers[node].pid
            return [] if pid is None else [pid]
        beside = {n: r.process.pid for n, r in self._beside.items() if r.process.poll() is None}
        if name in self._beside:
            return [beside[name]] if name in beside else []
        service = name.split(" ")[0]
        return sorted(set(self.system.processes(f"services.{service}")) - set(beside.values()))

    def errors(self) -> list[str]:
        """Lines of level error that the services have written."""
        outputs = [self.system.output(), *(replica.output() for replica in self._beside.values())]
        return [line for output in outputs for line in errors_in(output)]


def _node(name: str) -> int | None:
    return int(name.split(" ")[1]) if name.startswith("broker ") else None


def _free_port() -> int:
    """One that no outgoing connection takes while its owner is dead."""
    return free_ports("127.0.0.1", 1)[0]


def _send(pid: int, order: signal.Signals) -> None:
    try:
        os.kill(pid, order)
    except ProcessLookupError:  # it has been killed meanwhile
        return


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """Everything started and ready; ended when the block is left."""
    with Cluster(folder / "kafka", 3) as cluster:
        asyncio.run(topics.apply(Settings(kafka_bootstrap_servers=cluster.bootstrap)))
        named = {"TASUKI_KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap}
        with System(folder / "data", _free_port, named) as system, ExitStack() as stack:
            beside = {
                name: stack.enter_context(Replica(system, service, _free_port())) for name, service in BESIDE.items()
            }
            ready = Stage(system, cluster, beside)
            ready.wait_ready()
            yield ready
