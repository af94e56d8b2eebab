"""Families of many samples in Prometheus' text format, of which only what has changed is written anew.

`prometheus_client` writes every sample at every scrape, which takes a quarter of a second for thirty thousand.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.utils import floatToGoString

Labels = TypeVar("Labels", bound=tuple[str, ...])


class Written(Metric):
    """A family that is in the text format already: `text`, with its head. It has no samples beside."""

    def __init__(self, family: Metric, text: bytes) -> None:
        super().__init__(family.name, family.documentation, family.type)
        self.text = text


class Families(CollectorRegistry):
    """What `generate_latest` reads, for one scrape."""

    def __init__(self, families: list[Metric]) -> None:
        super().__init__()
        self._families = families

    def collect(self) -> Iterator[Metric]:
        return iter(self._families)


class Lines(Generic[Labels]):
    """The lines of a gauge or counter, remembered. `family` has no samples of its own; `labels` are their names."""

    def __init__(self, family: Metric, labels: Sequence[str]) -> None:
        self._family = family
        self._labels = tuple(labels)
        self._series = f"{family.name}_total" if family.type == "counter" else family.name
        self._head = generate_latest(Families([family])).decode()
        self._values: Mapping[Labels, float] = {}
        self._lines: dict[Labels, str] = {}
        self._written = Written(family, self._head.encode())

    def written(self, values: Mapping[Labels, float]) -> Written:
        """The family with these values, by the values of the labels. The same mapping must not change later."""
        if values is not self._values:
            before, lines = self._values, self._lines
            self._lines = {
                labels: lines[labels] if before.get(labels) == value else self._line(labels, value)
                for labels, value in values.items()
            }
            self._values = values
            self._written = Written(self._family, "".join((self._head, *self._lines.values())).encode())
        return self._written

    def _line(self, labels: Labels, value: float) -> str:
        named = ",".join(f'{name}="{_escaped(label)}"' for name, label in zip(self._labels, labels, strict=True))
        number = floatToGoString(value)  # type: ignore[no-untyped-call]  # prometheus_client has no types here
        return f"{self._series}{{{named}}} {number}\n"


def _escaped(label: str) -> str:
    return label.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
