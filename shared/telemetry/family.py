"""What a family of metrics is, said once: collectors make what they bring by it, the documentation its entry."""

from typing import Literal, NamedTuple

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily


class Family(NamedTuple):
    """A family that a collector brings; a counter's name ends in `_total`, as it does when scraped."""

    type: Literal["counter", "gauge"]
    name: str
    text: str
    labels: tuple[str, ...] = ()

    def metric(self) -> CounterMetricFamily | GaugeMetricFamily:
        """The family without any sample."""
        make = CounterMetricFamily if self.type == "counter" else GaugeMetricFamily
        return make(self.name, self.text, labels=self.labels)
