"""How soon an event that is posted shows on metrics' `/metrics`, on the whole running system."""

import http.client
import re
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.load import Job, Load, post
from bench.report import figure, heading, ratio
from bench.stage import free_port
from tests.system import System

RATES = (200, 2_000)
HELD_TO = 200  # of the rates: there the wait has to be short
CONNECTIONS = 64
FLOOR_S = 2.0
PATIENCE_S = 60.0
_TAKEN = re.compile(r'^tasuki_activities_total\{[^}]*type="call"[^}]*\} ([\d.e+]+)$', re.MULTILINE)


def measure(*, rates: Sequence[int] = RATES, seconds: float, seed: int) -> None:
    """Print a table for each rate (events/s). An event counts as visible when the answer of a scrape that shows it has
    been read."""
    with (
        tempfile.TemporaryDirectory(prefix="tasuki-bench-") as folder,
        System(Path(folder) / "data", free_port) as system,
    ):
        for rate in rates:
            _measure(system, rate, seconds, seed)


def _measure(system: System, rate: int, seconds: float, seed: int) -> None:
    metrics = system.port["metrics"]
    _scrape(metrics)
    idle = _scrapes(metrics, FLOOR_S)
    before, _ = _scrape(metrics)
    job = Job(
        port=system.port["ingest"], key=system.key, prefix=f"fresh-{rate}", seconds=seconds, rate=rate,
        connections=CONNECTIONS, seed=seed,
    )  # fmt: skip
    until = time.monotonic() + seconds + PATIENCE_S
    seen: list[tuple[float, int]] = []
    busy: list[float] = []
    with ThreadPoolExecutor() as beside:
        posting = beside.submit(post, job)
        while not posting.done() or seen[-1][1] - before < posting.result().requests:
            taken, took = _scrape(metrics)
            seen.append((time.monotonic(), taken))
            busy.append(took)
            if time.monotonic() > until:
                raise RuntimeError(f"of the events posted only {taken - before} came to be seen")
    load = posting.result()
    waits = sorted(_waits(load.sent, [(at, taken - before) for at, taken in seen]))
    _tell(rate, waits, idle, sorted(busy), load)


def _waits(sent: list[float], seen: list[tuple[float, int]]) -> list[float]:
    """Milliseconds until each event was visible: the n-th sent is there when n are counted."""
    waits, shown = [], iter(seen)
    at, taken = next(shown)
    for n, begun in enumerate(sorted(sent), start=1):
        while taken < n:
            at, taken = next(shown)
        waits.append(1000 * (at - begun))
    return waits


def _scrapes(port: int, seconds: float) -> list[float]:
    """Milliseconds of one scrape after the other while nothing happens."""
    until = time.monotonic() + seconds
    took = []
    while time.monotonic() < until:
        took.append(_scrape(port)[1])
    return sorted(took)


def _scrape(port: int) -> tuple[int, float]:
    """Calls that are counted, and the milliseconds it took to learn it."""
    started = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return sum(int(float(n)) for n in _TAKEN.findall(text)), 1000 * (time.monotonic() - started)


def _tell(rate: int, waits: list[float], idle: list[float], busy: list[float], load: Load) -> None:
    heading(f"freshness: event posted until it shows on /metrics, {rate:,} events/s               p50 / p99 ms")

    def both(values: list[float]) -> str:
        return f"{values[len(values) // 2]:,.0f} / {values[len(values) * 99 // 100]:,.0f}"

    figure("one scrape while nothing happens: the floor", both(idle))
    figure("one scrape meanwhile", both(busy))
    figure("the answer to the post", f"{load.p50_ms:,.0f} / {load.p99_ms:,.0f}")
    figure("posted until visible", both(waits))
    figure("events/s that were posted", f"{len(load.sent) / (max(load.sent) - min(load.sent)):,.0f}")
    if rate == HELD_TO:
        ratio("p99 posted until visible, ms", waits[len(waits) * 99 // 100], must="<= 500", aim="<= 100")
