"""The real metrics service, in a process of its own: followed through `/v1/status`, measured from /proc."""

import http.client
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from bench.cpu import Meter, Spent, memory_mib
from bench.report import Progress
from bench.stage import Database, environment, free_port, started, wait_for

STATUS = "/v1/status"
_LOOK_FIRST_S, _LOOK_LEAST_S, _LOOK_MOST_S = 0.05, 0.005, 0.5


class Status(msgspec.Struct):
    """What we need of `/v1/status`."""

    processed: int
    duplicates: int
    dead_lettered: int
    lag: int


class Rebuilt(msgspec.Struct):
    """The answer of `/v1/rebuild`."""

    events: int


class Taken(NamedTuple):
    """Records that were taken in and committed, what it cost, and the records a second of each fifth of them."""

    records: int
    spent: Spent
    fifths: list[float]

    @property
    def records_s(self) -> float:
        return self.records / self.spent.seconds


class Service:
    """A running one, or several replicas of it, of which the first is asked. `started_s`: until it answered."""

    def __init__(self, database: Database, pids: Sequence[int], port: int, started_s: float) -> None:
        self._database = database
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=24 * 3600)
        self.pids = tuple(pids)
        self.port = port
        self.started_s = started_s

    def get(self, path: str, method: str = "GET") -> bytes:
        """The body of an answer, which must be 200."""
        self._connection.request(method, path, headers={"authorization": f"Bearer {self._database.key}"})
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}: {body[:300]!r}")
        return body

    def status(self) -> Status:
        """How far it is."""
        status = msgspec.json.decode(self.get(STATUS), type=Status)
        if status.dead_lettered:
            raise RuntimeError(f"{status.dead_lettered} records became dead letters")
        return status

    def rebuild(self) -> tuple[int, Spent]:
        """Make all numbers anew; events gone through, and what it cost."""
        meter = self.meter()
        events = msgspec.json.decode(self.get("/v1/rebuild", "POST"), type=Rebuilt).events
        return events, meter.spent()

    def follow(self, what: str, within_s: float = math.inf) -> Taken:
        """Wait until all that is in the log is in the numbers; counted from what is left when it answers first."""
        return self.take(what, self.status().lag, self.meter(), within_s)

    def take(self, what: str, records: int, meter: Meter, within_s: float = math.inf) -> Taken:
        """Wait until so many records, which have been in the log since the meter began, are in the numbers.

        It looks ever sooner towards the end: to see the end when it comes, and to cost little until then. Raises
        RuntimeError when they are not there within that time.
        """
        begun, lag, progress = time.monotonic(), records, Progress(what, records)
        seen, wait = [(begun, 0)], _LOOK_FIRST_S
        while lag:
            time.sleep(wait)
            lag = self.status().lag
            now, taken = time.monotonic(), records - lag
            seen.append((now, taken))
            progress.reached(taken)
            if now - begun > within_s:
                raise RuntimeError(f"{lag} of {records} records are left after {within_s:.0f} s")
            if taken:
                wait = min(_LOOK_MOST_S, max(_LOOK_LEAST_S, (now - begun) * lag / taken / 4))
        return Taken(records, meter.spent(), _fifths(seen))

    def meter(self) -> Meter:
        """Measures what the service and its PostgreSQL spend from now on."""
        return Meter(*self.pids, postgres=self._database.pid)

    def memory_mib(self) -> float:
        """Resident memory of the service, all its processes together."""
        return sum(map(memory_mib, self.pids))

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()


def _fifths(seen: list[tuple[float, int]]) -> list[float]:
    """Records a second in each fifth of what was taken; [] when it went too fast to tell."""
    total = seen[-1][1]
    rates = []
    for n in range(5):
        part = [look for look in seen if total * n / 5 <= look[1] <= total * (n + 1) / 5]
        if len(part) < 2 or part[-1][0] == part[0][0]:
            return []
        rates.append((part[-1][1] - part[0][1]) / (part[-1][0] - part[0][0]))
    return rates


@contextmanager
def metrics(
    database: Database, settings: Mapping[str, str] = MappingProxyType({}), replicas: int = 1
) -> Iterator[Service]:
    """The service on a database until the block ends; `settings` without their `TASUKI_`."""
    ports, begun = [free_port() for _ in range(replicas)], time.monotonic()
    more = {f"TASUKI_{name.upper()}": value for name, value in settings.items()}
    with ExitStack() as stack:
        running = [
            stack.enter_context(
                started(["services.metrics"], environment(database.url, TASUKI_METRICS_PORT=str(port), **more))
            )
            for port in ports
        ]
        for process, port in zip(running, ports, strict=True):
            wait_for(port, process)
        service = stack.enter_context(closing(Service(database, [p.pid for p in running], ports[0], 0.0)))
        service.get(STATUS)
        service.started_s = time.monotonic() - begun
        yield service
