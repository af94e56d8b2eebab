"""A multiset of measured values: its mean, median and 90th percentile. Pure."""

from bisect import bisect_right
from itertools import accumulate
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
        values = sorted(self._counts)
        upto = list(accumulate(self._counts[value] for value in values))
        total = sum(value * count for value, count in self._counts.items())
        return {
            "value": total / upto[-1] / unit,
            "median": _percentile(values, upto, 0.5) / unit,
            "p90": _percentile(values, upto, 0.9) / unit,
            "n": upto[-1],
        }


def _percentile(values: list[int], upto: list[int], fraction: float) -> float:
    """Interpolated between neighbours, as PostgreSQL's percentile_cont does. upto: how many up to each value."""
    rank = fraction * (upto[-1] - 1)
    below = int(rank)
    low, high = (values[min(bisect_right(upto, index), len(values) - 1)] for index in (below, below + 1))
    return low + (high - low) * (rank - below)
