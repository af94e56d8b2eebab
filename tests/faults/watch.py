"""Scrapes /metrics all the time: no counter ever goes down."""

import threading
import time
from collections.abc import Mapping
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from shared.settings import ServiceName
from tests.faults.beside import Beside
from tests.faults.client import Client
from tests.system import SERVICES, System

EVERY_S = 0.25
DURABLE = frozenset(
    {
        "tasuki_activities_total",
        "tasuki_corrections_total",
        "tasuki_kpi_restated_total",
        "tasuki_events_processed_total",
        "tasuki_events_duplicate_total",
        "tasuki_dead_letters_total",
    }
)
"""Counters that survive restarts; the others begin anew with their process, as Prometheus expects."""
_STARTED = "process_start_time_seconds"


class Series(NamedTuple):
    """One time series; `life`: start of its process, 0 for what survives it."""

    service: ServiceName
    name: str
    labels: tuple[tuple[str, str], ...]
    life: float


class Watch(Beside):
    """`with Watch(system) as watch:` scrapes until it is left, and once more then; `scrapes`: how often.

    Every service of the system is scraped, or the replicas on the ports that are given `instead`.
    """

    def __init__(
        self, system: System, instead: Mapping[ServiceName, int] | None = None, every_s: float = EVERY_S
    ) -> None:
        super().__init__(system, instead)
        self._services = tuple(instead) if instead else SERVICES
        self._every_s = every_s
        self._highest: dict[Series, float] = {}
        self.scrapes = 0

    def total(self, service: ServiceName, name: str) -> float:
        """Sum of a durable counter over its labels, as it stood when it was highest."""
        return sum(value for at, value in self._highest.items() if (at.service, at.name) == (service, name))

    def _work(self, client: Client, stop: threading.Event) -> None:
        while not stop.is_set():
            for service in self._services:
                self._scrape(client, service)
            time.sleep(self._every_s)
        for service in self._services:
            self._scrape(client, service)

    def _scrape(self, client: Client, service: ServiceName) -> None:
        families = list(text_string_to_metric_families(client.get(service, "/metrics")))
        samples = [(family.type, sample) for family in families for sample in family.samples]
        (life,) = [sample.value for _, sample in samples if sample.name == _STARTED]
        for kind, sample in samples:
            if kind not in ("counter", "histogram"):
                continue
            labels = tuple(sorted(sample.labels.items()))
            series = Series(service, sample.name, labels, 0 if sample.name in DURABLE else life)
            before = self._highest.get(series, 0.0)
            assert sample.value >= before, f"{series} went down from {before} to {sample.value}"
            self._highest[series] = sample.value
        self.scrapes += 1
