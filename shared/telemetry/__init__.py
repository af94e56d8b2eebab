"""What a process tells about itself: structured logs, trace ids and operational metrics."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, TextIO

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from prometheus_client.metrics_core import Metric

from shared.telemetry import logs
from shared.telemetry.family import Family
from shared.telemetry.lines import Families, Lines, Written
from shared.telemetry.logs import in_words
from shared.telemetry.metrics import Metrics
from shared.telemetry.trace import current_request_id, current_trace_id, current_traceparent

if TYPE_CHECKING:  # it needs the extra `otel`
    from shared.telemetry.spans import Spans

Collector = Callable[[], Awaitable[Iterable[Metric]]]
"""Gets figures at scrape time, usually from the database: metric families of `prometheus_client.metrics_core`, or
such that are written already (`Lines`)."""

SCRAPE_TIMEOUT_S = 3.0

__all__ = [
    "CONTENT_TYPE_LATEST",
    "Collector",
    "Family",
    "Lines",
    "Metrics",
    "Telemetry",
    "Written",
    "current_request_id",
    "current_trace_id",
    "current_traceparent",
    "in_words",
]


class Telemetry:
    """Logger, registry and metrics of one process, and its spans where it makes traces (TASUKI_TRACES).

    stream: where log lines go (stdout if None).
    """

    def __init__(
        self,
        service: str,
        *,
        level: str = "info",
        registry: CollectorRegistry | None = None,
        stream: TextIO | None = None,
        spans: "Spans | None" = None,
    ) -> None:
        self.service = service
        self.spans = spans
        self._level = level
        self._stream = stream
        self.registry = registry if registry is not None else CollectorRegistry()
        self.metrics = Metrics(self.registry)
        self.log = logs.logger(service, level, stream)
        self.collectors: dict[str, Collector] = {}

    def watch_process(self) -> None:
        """Add the process's own figures (memory, CPU, open files, garbage collection)."""
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def take_over_logging(self) -> None:
        """Send all that the process logs, libraries included, to the same place in the same form."""
        logs.take_over(self.service, self._level, self._stream)

    def step(self, name: str) -> AbstractContextManager[None]:
        """Makes a part of the request at hand a span of its own, where traces are made."""
        return nullcontext() if self.spans is None else self.spans.step(name)

    async def render(self) -> bytes:
        """All metrics in Prometheus' text format.

        A family that a collector brings takes the place of the one in memory. A collector that fails leaves its
        families out, is logged and counted: the rest of the scrape stays useful.
        """
        gathered = await asyncio.gather(*(self._gather(name) for name in self.collectors))
        brought = {family.name: family for families in gathered for family in families}
        written = [family for family in brought.values() if isinstance(family, Written)]
        others = [family for family in brought.values() if not isinstance(family, Written)]
        text = generate_latest(Families([*_without(self.registry.collect(), brought), *others]))
        return b"".join((text, *(family.text for family in written)))

    async def _gather(self, name: str) -> list[Metric]:
        try:
            async with asyncio.timeout(SCRAPE_TIMEOUT_S):
                return list(await self.collectors[name]())
        except Exception as error:
            self.metrics.scrape_failures.labels(name).inc()
            self.log.warning("scrape_failed", collector=name, exc_info=error)
            return []


def _without(families: Iterable[Metric], names: dict[str, Any]) -> Iterator[Metric]:
    return (family for family in families if family.name not in names)
