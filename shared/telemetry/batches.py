"""A histogram that takes what a batch has measured at once.

`prometheus_client` has a lock and a search for each value, which costs a consumer as much as decoding an event.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class BatchHistogram(Collector):
    """Without labels; changed by one thread. `buckets`: their upper bounds, in order, without infinity."""

    def __init__(self, name: str, text: str, *, buckets: Sequence[float], registry: CollectorRegistry) -> None:
        self._name = name
        self._text = text
        self._bounds = tuple(buckets)
        self._counts = [0] * (len(buckets) + 1)
        self._sum = 0.0
        registry.register(self)

    def observe_all(self, values: Iterable[float]) -> None:
        """Take values, each into the first bucket whose bound is not below it."""
        bounds, counts, total = self._bounds, self._counts, 0.0
        for value in values:
            counts[bisect_left(bounds, value)] += 1
            total += value
        self._sum += total

    def describe(self) -> Iterator[Metric]:
        """The family without any sample."""
        yield HistogramMetricFamily(self._name, self._text)

    def collect(self) -> Iterator[Metric]:
        """The family: how many values are in each bucket and those before it, and their sum."""
        reached, buckets = 0, []
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            reached += count
            buckets.append((floatToGoString(bound), reached))  # type: ignore[no-untyped-call]  # it has no types here
        yield HistogramMetricFamily(self._name, self._text, buckets=buckets, sum_value=self._sum)
