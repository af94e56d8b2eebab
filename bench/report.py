"""How figures are told: a line a measure, with what it should be."""

import operator
import re
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple


class Line(NamedTuple):
    """A line of a table. `reached`: whether its figure is what it must be; None where nothing is asked of it."""

    name: str
    value: str
    note: str = ""
    must: str = ""
    aim: str = ""
    reached: bool | None = None


class Table(NamedTuple):
    """`units`: what stands above its figures, and above what is noted beside them where that has columns, too."""

    title: str
    units: tuple[str, ...]
    lines: list[Line]


told: list[Table] = []
"""All that was told in this run, for whoever writes it down (`bench.written`)."""


def heading(text: str) -> None:
    """Begin a table: its title and, after some spaces, what stands above its figures."""
    print(f"\n{text}", flush=True)
    title, *units = re.split(r"\s{2,}", text)
    told.append(Table(title, tuple(units), []))


def figure(name: str, value: str, note: str = "") -> None:
    """A figure that only means something within this run."""
    _tell(Line(name, value, note), note)


def held_to(name: str, value: str, *, must: str, aim: str = "", note: str = "", measured: float | None = None) -> None:
    """A figure that has to reach something on the kind of machine that we mean. `measured`: where it is not the first
    number of `value`."""
    number = float(_NUMBER.findall(value)[0].replace(",", "")) if measured is None else measured
    _tell_held(Line(name, value, note, must, aim, is_reached(number, must)))


def ratio(name: str, value: float, *, must: str = "", aim: str = "") -> None:
    """A ratio, which carries over to other machines."""
    _tell_held(Line(name, f"{value:.2f}", "", must, aim, is_reached(value, must)))


def is_reached(value: float, must: str) -> bool | None:
    """Whether a figure is what it must be ("p99 <= 50", ">= 40,000"); None without a must."""
    if not must:
        return None
    found = _BOUND.search(must)
    if found is None:
        raise ValueError(f"no bound: {must!r}")
    return _HOLDS[found[1]](value, float(found[2].replace(",", "")))


_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_BOUND = re.compile(r"([<>]=?) (\d[\d,]*(?:\.\d+)?)")
_HOLDS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt,
}  # fmt: skip


def _tell_held(line: Line) -> None:
    must = line.must and f"must {line.must}{': NOT REACHED' if line.reached is False else ''}"
    _tell(line, "; ".join(filter(None, (", ".join(filter(None, (must, line.aim and f"aim {line.aim}"))), line.note))))


def _tell(line: Line, note: str) -> None:
    print(f"  {line.name:<58} {line.value:>16}  {note}", flush=True)
    if told:
        told[-1].lines.append(line)


def row(name: str, values: Sequence[str]) -> None:
    """A row of a table with many columns, or what stands above them."""
    print(f"  {name:<24}{''.join(f'{value:>12}' for value in values)}", flush=True)


def spread(values: Sequence[float]) -> str:
    """Least and greatest of some rounds."""
    return f"{min(values):,.0f} to {max(values):,.0f}"


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def percentile(values: Sequence[float], percent: int) -> float:
    """What so many percent of the values do not exceed."""
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


class Progress:
    """Says every few seconds on stderr how far something long is."""

    EVERY_S = 10.0

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total = what, total
        self._next = time.monotonic() + self.EVERY_S

    def reached(self, n: int) -> None:
        """So many are done."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self.EVERY_S
            print(f"    ... {self._what}: {n:,} of {self._total:,}", file=sys.stderr, flush=True)
