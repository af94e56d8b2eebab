"""A client that keeps on until it has an answer, as a good client does; it counts how often it had to."""

import http.client
import json
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from shared.settings import SERVICES, ServiceName
from tests.system import System

PATIENCE_S = 180.0
_PAUSE_S = 0.05


class InFlight(Exception):
    """An earlier run of this keyed request may still be at it: come back later with the same key and body."""


class Reply(NamedTuple):
    """What came back: status, headers (lower case) and the body, decoded where it is JSON."""

    status: int
    headers: dict[str, str]
    body: Any


class Client:
    """Sends to the services of a system, or to the replica whose port is given instead; several ports have their
    turns, so that who repeats goes to another, as behind a balancer. For one thread."""

    def __init__(self, system: System, instead: Mapping[ServiceName, int | Sequence[int]] | None = None) -> None:
        self._key = system.key
        ports: dict[ServiceName, int | Sequence[int]] = {
            name: (instead or {}).get(name, system.port[name]) for name in SERVICES
        }
        self._ports = {name: deque([port] if isinstance(port, int) else port) for name, port in ports.items()}
        self._connections: dict[tuple[ServiceName, int], http.client.HTTPConnection] = {}
        self.repeated: Counter[str] = Counter()

    def send(self, service: ServiceName, method: str, path: str, body: Any = None, key: str | None = None) -> Reply:
        """Repeat the request until it has an answer that is no outage. Raises InFlight; fails on a 5xx but 503."""
        began, instead = time.monotonic(), Counter[str]()
        while True:
            waited_s = time.monotonic() - began
            assert waited_s < PATIENCE_S, f"{method} {path}: no answer within {waited_s:.0f} s, but {dict(instead)}"
            try:
                reply = self.once(service, method, path, body, key)
            except (OSError, http.client.HTTPException) as error:
                instead[repr(error)] += 1
                self.repeated[type(error).__name__] += 1
                time.sleep(_PAUSE_S)
                continue
            if reply.status == 503:
                assert int(reply.headers["retry-after"]) > 0
                instead[f"503 {reply.body}"] += 1
                self.repeated["503"] += 1
                time.sleep(_PAUSE_S)
                continue
            assert reply.status < 500, reply
            if reply.status == 409 and reply.body["type"].endswith("idempotency-in-flight"):
                self.repeated["in flight"] += 1
                raise InFlight
            return reply

    def get(self, service: ServiceName, path: str) -> Any:
        """The body of a 200."""
        reply = self.send(service, "GET", path)
        assert reply.status == 200, reply
        return reply.body

    def figure(self, service: ServiceName, name: str) -> float:
        """The sum of a metric over its labels, 0 where it has no sample."""
        lines = self.get(service, "/metrics").splitlines()
        found = (line.rpartition(" ") for line in lines if line.startswith((name + "{", name + " ")))
        return sum(float(value) for _, _, value in found)

    def once(
        self, service: ServiceName, method: str, path: str, body: Any = None, key: str | None = None, wait_s: float = 60
    ) -> Reply:
        """One try. Raises OSError, HTTPException when the connection breaks."""
        self._ports[service].rotate(-1)
        at = (service, self._ports[service][0])
        connection = self._connections.get(at)
        if connection is None:
            connection = self._connections[at] = http.client.HTTPConnection("127.0.0.1", at[1], timeout=wait_s)
        headers = {"Authorization": f"Bearer {self._key}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if key is not None:
            headers["Idempotency-Key"] = key
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            raw = answer.read()
        except (OSError, http.client.HTTPException):
            self._connections.pop(at).close()
            raise
        told = {name.lower(): value for name, value in answer.getheaders()}
        is_json = "json" in told.get("content-type", "")
        return Reply(answer.status, told, json.loads(raw) if is_json else raw.decode())

    def close(self, service: ServiceName | None = None) -> None:
        """Close the connections to one service, or all."""
        for at in [at for at in self._connections if service in (None, at[0])]:
            self._connections.pop(at).close()
