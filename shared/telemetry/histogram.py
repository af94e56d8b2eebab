"""A histogram that costs little for each value, and takes what a batch has measured at once.

`prometheus_client` has a lock, a bucket after the other and several calls for each value, which costs a consumer as
much as decoding an event, and ingest a fiftieth of a request.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class Series:
    """What was measured under the same values of the labels."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Take a value into the first bucket whose bound is not below it."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def observe_all(self, values: Iterable[float]) -> None:
        """Take values."""
        bounds, counts, total = self._bounds, self._counts, 0.0
        for value in values:
            counts[bisect_left(bounds, value)] += 1
            total += value
        self._sum += total

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str]) -> None:
        """Tell how many values are in each bucket and those before it, and their sum."""
        reached, buckets = 0, []
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            reached += count
            buckets.append((floatToGoString(bound), reached))  # type: ignore[no-untyped-call]  # it has no types here
        family.add_metric(labels, buckets, self._sum)


class Histogram(Collector):
    """As the library's, for one thread alone. `labels`: their names. `buckets`: their upper bounds, in order, without
    infinity."""

    def __init__(
        self, name: str, text: str, labels: Sequence[str] = (), *, buckets: Sequence[float], registry: CollectorRegistry
    ) -> None:
        self._name = name
        self._text = text
        self._labelnames = tuple(labels)  # as the library calls them
        self._bounds = tuple(buckets)
        self._series: dict[tuple[str, ...], Series] = {}
        if not labels:
            self.labels()  # told before anything is measured
        registry.register(self)

    def labels(self, *values: str) -> Series:
        """The series of these values of the labels."""
        if len(values) != len(self._labelnames):
            raise ValueError(f"{self._name} has the labels {self._labelnames}, and not so many values: {values}")
        return self._series.setdefault(values, Series(self._bounds))

    def describe(self) -> Iterator[Metric]:
        """The family without any sample."""
        yield self._family()

    def collect(self) -> Iterator[Metric]:
        """The family with what was measured."""
        family = self._family()
        for values, series in list(self._series.items()):
            series.add_to(family, values)
        yield family

    def _family(self) -> HistogramMetricFamily:
        return HistogramMetricFamily(self._name, self._text, labels=self._labelnames)
