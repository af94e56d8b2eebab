"""How figures are told: a line a measure, with what it should be."""

import statistics
import sys
import time
from collections.abc import Sequence


def heading(text: str) -> None:
    """Begin a table."""
    print(f"\n{text}", flush=True)


def figure(name: str, value: str, note: str = "") -> None:
    """A figure that only means something within this run."""
    print(f"  {name:<58} {value:>16}  {note}", flush=True)


def held_to(name: str, value: str, *, must: str, note: str = "") -> None:
    """A figure that has to reach something on the kind of machine that we mean."""
    figure(name, value, f"must {must}{note and '; '}{note}")


def ratio(name: str, value: float, *, must: str = "", aim: str = "") -> None:
    """A ratio, which carries over to other machines."""
    figure(name, f"{value:.2f}", ", ".join(word for word in (must and f"must {must}", aim and f"aim {aim}") if word))


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
