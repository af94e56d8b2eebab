"""A multiset of measured values: its mean, median and 90th percentile. Pure."""

from collections.abc import Iterator
from typing import Any


class Distribution:
    """Values with how often each occurs."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    def add(self, value: int, n: int) -> None:
        """`n` more of a value."""
        self._counts[value] = self._counts.get(value, 0) + n

    def described(self, unit: int) -> dict[str, Any]:
        """`value` (the mean), `median`, `p90` and `n`, values divided by `unit`."""
        n = sum(self._counts.values())
        total = sum(value * count for value, count in self._counts.items())
        return {
            "value": total / n / unit,
            "median": self.percentile(0.5) / unit,
            "p90": self.percentile(0.9) / unit,
            "n": n,
        }

    def percentile(self, fraction: float) -> float:
        """Interpolated between neighbours, as PostgreSQL's percentile_cont does."""
        rank = fraction * (sum(self._counts.values()) - 1)
        below = int(rank)
        low, high = self._at(below), self._at(below + 1)
        return low + (high - low) * (rank - below)

    def _at(self, index: int) -> int:
        """The value at an index of all values in order; past the end, the last."""
        value = 0
        for value, count in self._in_order():
            if index < count:
                return value
            index -= count
        return value

    def _in_order(self) -> Iterator[tuple[int, int]]:
        return iter(sorted(self._counts.items()))
