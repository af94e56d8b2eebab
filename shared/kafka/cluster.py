"""One broker, or three that replicate."""

import base64
import random
import signal
import socket
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from shared.kafka.broker import Broker, Ports
from shared.kafka.install import DEFAULT_HOME, find_install

_BELOW_EPHEMERAL = range(10_000, 32_768)
"""Ports that no outgoing connection is given: while a broker is down, its clients' attempts might take its own port."""

_PROTOCOLS = {"CLIENT": "PLAINTEXT", "INTERNAL": "PLAINTEXT", "CONTROLLER": "PLAINTEXT"}

_PROPERTIES = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "INTERNAL",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.num.partitions": "8",  # 50 are for many groups; the first consumer waits until they are made
    "transaction.state.log.num.partitions": "8",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),  # bytes, of a heap that is small
}

_ALONE = {  # a killed broker may come back when its session has ended (9 s), and nobody else could take over meanwhile
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
}


class Listener(NamedTuple):
    """A further listener for clients. `told_host`: the host that the broker tells them, another than its own."""

    protocol: str
    told_host: str | None = None


class Cluster:
    """`with Cluster(folder, brokers=3) as cluster:` has brokers 1, 2 and 3; topics have three replicas, two in sync.

    Clients connect to `cluster.bootstrap` ("host:port,..."). `ports` are the brokers' own, free ones unless given;
    `advertised` maps a broker to the port that clients are told instead, where a proxy listens that passes on to
    `cluster.port(i)`: brokers reach one another on another listener. `properties` of brokers and `options` of Java
    overrule ours. Data stay in `folder`.

    Clients may be made to prove who they are: `listeners` are further ones by name, where clients are given
    `cluster.address(name)`; `properties` say the rest of them (`listener.name.<name>....`). `users` maps the names of
    users of SCRAM-SHA-512 to their passwords; they are made at the first start. Whether a broker is ready is asked on
    the plain listener, which is always there, on the loopback.

    Brokers are children of the thread that starts them and end with it: use it in the main thread.
    """

    def __init__(
        self,
        folder: Path,
        brokers: int = 1,
        *,
        home: Path = DEFAULT_HOME,
        host: str = "127.0.0.1",
        ports: Sequence[int] | None = None,
        advertised: Mapping[int, int] | None = None,
        listeners: Mapping[str, Listener] | None = None,
        users: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
    ) -> None:
        """BrokerError when Kafka is not installed in `home`."""
        self._folder = folder.absolute()
        self._host = host
        self._more = dict(properties or {})
        more = dict(listeners or {})
        self._protocols = _PROTOCOLS | {name: listener.protocol for name, listener in more.items()}
        self._users = dict(users or {})
        install = find_install(home)
        free = iter(free_ports(host, len(self._protocols) * brokers))
        self.brokers: dict[int, Broker] = {}
        for node in range(1, brokers + 1):
            client, internal, controller = islice(free, len(_PROTOCOLS))
            client = ports[node - 1] if ports else client
            further = {name: (listener.told_host or host, next(free)) for name, listener in more.items()}
            own = Ports(client, internal, controller, (advertised or {}).get(node, client), further)
            self.brokers[node] = Broker(install, self._folder / str(node), host, node, own, options)

    def __enter__(self) -> Self:
        self.start_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_all()

    @property
    def bootstrap(self) -> str:
        """What clients are given: the advertised address of every broker."""
        return ",".join(f"{self._host}:{broker.ports.advertised}" for broker in self.brokers.values())

    def address(self, listener: str) -> str:
        """What clients of a further listener are given, of every broker."""
        return ",".join(f"{self._host}:{broker.ports.more[listener][1]}" for broker in self.brokers.values())

    def port(self, node: int) -> int:
        """The port on which a broker itself listens for clients."""
        return self.brokers[node].ports.client

    def start_all(self, ready_within: float = 60.0) -> None:
        """Starts all brokers and waits until each is ready. BrokerError when one is not; then none is left running."""
        try:
            self.launch_all()
            for broker in self.brokers.values():
                broker.wait_ready(ready_within)
        except BaseException:
            self.kill_all()
            raise

    def launch_all(self) -> None:
        """Starts all brokers without waiting; at the first time makes their storage."""
        self._prepare()
        for broker in self.brokers.values():
            broker.start()

    def stop_all(self, within: float = 30.0) -> None:
        """Stops all brokers in good order; those that are left after `within` seconds by SIGKILL.

        Three take 5 s, in which the last ones wait for a quorum in vain.
        """
        for broker in self.brokers.values():
            broker.send(signal.SIGTERM)
        for broker in self.brokers.values():
            broker.wait_ended(within)

    def kill_all(self) -> None:
        """SIGKILL to all brokers."""
        for node in self.brokers:
            self.kill(node)

    def start(self, node: int) -> None:
        """Starts a broker that has ended, and waits until it is ready."""
        self.brokers[node].start()
        self.brokers[node].wait_ready()

    def stop(self, node: int) -> None:
        """Stops a broker in good order: it hands over what it leads."""
        self.brokers[node].send(signal.SIGTERM)
        self.brokers[node].wait_ended()

    def kill(self, node: int) -> None:
        """SIGKILL to a broker."""
        self.brokers[node].send(signal.SIGKILL)
        self.brokers[node].wait_ended()

    def pause(self, node: int) -> None:
        """SIGSTOP to a broker: its connections stay open, and nothing answers."""
        self.brokers[node].suspend()

    def resume(self, node: int) -> None:
        """SIGCONT to a paused broker."""
        self.brokers[node].send(signal.SIGCONT)

    def _prepare(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        cluster_id = self._cluster_id()
        with ThreadPoolExecutor() as pool:  # formatting starts a Java each
            prepare = lambda broker: broker.prepare(cluster_id, self._properties(), self._users)  # noqa: E731
            list(pool.map(prepare, self.brokers.values()))

    def _cluster_id(self) -> str:
        path = self._folder / "cluster.id"
        if not path.exists():
            path.write_text(base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="))
        return path.read_text()

    def _properties(self) -> dict[str, str]:
        replicas = len(self.brokers)
        in_sync = str(min(2, replicas))
        voters = [f"{node}@{self._host}:{broker.ports.controller}" for node, broker in self.brokers.items()]
        return {
            **_PROPERTIES,
            "listener.security.protocol.map": ",".join(f"{name}:{how}" for name, how in self._protocols.items()),
            "controller.quorum.voters": ",".join(voters),
            "default.replication.factor": str(replicas),
            "min.insync.replicas": in_sync,
            "offsets.topic.replication.factor": str(replicas),
            "transaction.state.log.replication.factor": str(replicas),
            "transaction.state.log.min.isr": in_sync,
            **({} if replicas > 1 else _ALONE),
            **self._more,
        }


def free_ports(host: str, count: int) -> list[int]:
    """Different ports that nobody listens on."""
    found: list[int] = []
    while len(found) < count:
        port = random.choice(_BELOW_EPHEMERAL)  # noqa: S311 - not a secret
        with socket.socket() as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found
