"""How soon the service answers: values of a year by rep and month, and a scrape, while nothing happens and while events
arrive."""

import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from bench.corpus import END, YEAR
from bench.cpu import Spent
from bench.metrics.filling import ARRIVALS_S, arriving, calm, fill
from bench.metrics.service import Service, metrics
from bench.metrics.team import configuration, year
from bench.report import Progress, figure, heading, held_to, percentile
from bench.stage import Database, database

RATE = 200
KPIS = ("calls", "connect_rate", "days_to_second_action", "pipeline_amount")
"""A count, a ratio, a duration and money."""


class Asked(NamedTuple):
    """Milliseconds of each request, bytes of an answer, what all cost."""

    ms: list[float]
    size: int
    spent: Spent


def measure(*, events: int, reps: int, requests: int, patience_s: float, seed: int) -> None:
    """Print the table. patience_s: for the requests of one kind; those that are far too slow are made less often."""
    with tempfile.TemporaryDirectory(prefix="tasuki-bench-") as folder, database() as db:
        fill(db, year(events, reps, seed), events)
        with metrics(db, {"config_dir": str(configuration(Path(folder), reps))}) as service:
            service.follow("before asking")
            calm(db)
            heading(
                f"metrics: {reps} reps, {events:,} events of a year; requests one after the other       p50 / p99 ms"
            )
            _ask_all(db, _Asking(service, requests, patience_s))
            figure("resident memory of the service that answers", f"{service.memory_mib():,.0f} MiB")


def _ask_all(db: Database, asking: "_Asking") -> None:
    _tell("any answer: the catalogue's first entry", asking.ask("/v1/kpis?limit=1"))
    for busy in (False, True):
        meanwhile = f", {RATE} events/s arriving" if busy else ""
        with arriving(db, RATE) if busy else nullcontext():
            time.sleep(1.0 if busy else 0.0)
            for kpi in KPIS:
                _tell(f"values of {kpi}{meanwhile}", asking.ask(_values(kpi)), must_ms=50)
            # while events arrive, no scrape before something has changed since the last one
            wait_s = 2 * ARRIVALS_S if busy else 0.0
            _tell(f"scrape{meanwhile}", asking.ask("/metrics", wait_s), must_ms=100)


def _values(kpi: str) -> str:
    first, last = (END - YEAR + timedelta(days=1)).date(), END.date()
    return f"/v1/kpis/{kpi}/values?grain=month&from={first}&to={last}&by=rep"


class _Asking:
    def __init__(self, service: Service, requests: int, patience_s: float) -> None:
        self._service = service
        self._requests = requests
        self._patience_s = patience_s

    def ask(self, path: str, wait_s: float = 0.0) -> Asked:
        """Ask again and again, with a pause before each time."""
        self._service.get(path)
        took: list[float] = []
        progress, meter = Progress(path.partition("?")[0], self._requests), self._service.meter()
        until = time.monotonic() + self._patience_s
        while len(took) < self._requests and time.monotonic() < until:
            time.sleep(wait_s)
            size, ms = _timed(lambda: self._service.get(path))
            took.append(ms)
            progress.reached(len(took))
        return Asked(took, size, meter.spent())


def _timed(ask: Callable[[], bytes]) -> tuple[int, float]:
    begun = time.monotonic()
    body = ask()
    return len(body), 1000 * (time.monotonic() - begun)


def _tell(name: str, asked: Asked, must_ms: int | None = None) -> None:
    value = f"{percentile(asked.ms, 50):,.1f} / {percentile(asked.ms, 99):,.1f}"
    note = f"{len(asked.ms)} requests, {asked.size:,} bytes; {asked.spent.each(len(asked.ms))}"
    if must_ms is None:
        figure(name, value, note)
    else:
        held_to(name, value, must=f"p99 <= {must_ms}", note=note, measured=percentile(asked.ms, 99))
