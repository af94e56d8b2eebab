"""The load: a process of its own that posts over keep-alive connections and says how it went.

`python -m bench.load` reads a Job as JSON from stdin and writes a Load to stdout. Raw sockets, because an HTTP client
library costs more than the server that is to be measured. On each connection one request follows the answer of the
one before; with a `rate` requests begin at that pace, whichever connection is free.
"""

import asyncio
import itertools
import subprocess
import sys
import time
from collections import Counter
from typing import cast

import msgspec
import uvloop

from bench.corpus import Posted

WARM_UP_S = 0.3


class Job(msgspec.Struct, kw_only=True):
    """What to send where. `rate`: requests a second in all; None: as many as are answered. `get`: paths that are asked
    for in turn, instead of posting."""

    port: int
    prefix: str
    key: str = "none"
    path: str = "/v1/activities"
    connections: int = 64
    seconds: float = 2.0
    batch: int = 1
    leads: int = 1_000
    seed: int = 1
    rate: float | None = None
    get: list[str] = []


class Load(msgspec.Struct, kw_only=True):
    """What was answered after the warm-up. `sent`: when each request of a paced load was sent (monotonic, seconds).

    `events_s` of a load that is not paced is its connections by the mean duration (Little's law), which holds for the
    few long requests of a short load, too.
    """

    requests: int
    events_s: float
    p50_ms: float
    p99_ms: float
    statuses: dict[int, int]
    sent: list[float]


def post(job: Job) -> Load:
    """Run a job in a process of its own. Raises RuntimeError when anything was answered but a 2xx."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"], input=msgspec.json.encode(job), stdout=subprocess.PIPE, check=True
    )
    load = msgspec.json.decode(done.stdout, type=Load)
    if any(status // 100 != 2 for status in load.statuses):
        raise RuntimeError(f"port {job.port} answered {load.statuses}")
    return load


class _Run:
    """One job under way."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.begun = time.monotonic()
        self.counted_from = self.begun + (0.0 if job.rate else WARM_UP_S)
        self.until = self.counted_from + job.seconds
        self.statuses: Counter[int] = Counter()
        self.durations: list[float] = []
        self.sent: list[float] = []
        self.idle: asyncio.Queue[_Connection] = asyncio.Queue()
        self.open = 0
        self.finished = asyncio.get_running_loop().create_future()
        self._posted = Posted(job.prefix, job.leads, job.seed)
        self._paths = itertools.cycle(job.get)
        self._head = (
            f"POST {job.path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {job.key}\r\n"
            "content-type: application/json\r\ncontent-length: "
        ).encode()

    def request(self) -> bytes:
        if self.job.get:
            path = next(self._paths)
            return f"GET {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {self.job.key}\r\n\r\n".encode()
        body = self._posted.body(self.job.batch)
        return b"%s%d\r\n\r\n%s" % (self._head, len(body), body)

    async def pace(self, rate: float) -> None:
        """Begin requests at this rate a second; those that find no free connection begin late, all at once."""
        loop, n = asyncio.get_running_loop(), 0
        while (due := self.begun + n / rate) < self.until:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            (await self.idle.get()).send()
            n += 1
        loop.call_later(1.0, self.close)

    def close(self) -> None:
        while not self.idle.empty():
            self.idle.get_nowait().close()

    def load(self) -> Load:
        durations = sorted(self.durations)
        return Load(
            requests=len(durations),
            events_s=self.job.rate or self.job.connections * self.job.batch * len(durations) / sum(durations),
            p50_ms=1000 * durations[len(durations) // 2],
            p99_ms=1000 * durations[len(durations) * 99 // 100],
            statuses=dict(self.statuses),
            sent=self.sent,
        )


class _Connection(asyncio.Protocol):
    def __init__(self, run: _Run) -> None:
        self._run = run
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        self._run.open += 1
        self._next()

    def send(self) -> None:
        self._sent = time.monotonic()
        if self._run.job.rate:
            self._run.sent.append(self._sent)
        self._transport.write(self._run.request())

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        self._received = b""
        now = time.monotonic()
        self._run.statuses[int(head[9:12])] += 1
        if self._sent >= self._run.counted_from:
            self._run.durations.append(now - self._sent)
        self._next()

    def _next(self) -> None:
        if self._run.job.rate:
            self._run.idle.put_nowait(self)
        elif time.monotonic() < self._run.until:
            self.send()
        else:
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._run.open -= 1
        if error is not None and not self._run.finished.done():
            self._run.finished.set_exception(error)
        elif not self._run.open and not self._run.finished.done():
            self._run.finished.set_result(None)


async def _main(job: Job) -> Load:
    run = _Run(job)
    loop = asyncio.get_running_loop()
    await asyncio.gather(
        *(loop.create_connection(lambda: _Connection(run), "127.0.0.1", job.port) for _ in range(job.connections))
    )
    if job.rate:
        await run.pace(job.rate)
    await run.finished
    return run.load()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        loaded = runner.run(_main(msgspec.json.decode(sys.stdin.buffer.read(), type=Job)))
    sys.stdout.buffer.write(msgspec.json.encode(loaded))
