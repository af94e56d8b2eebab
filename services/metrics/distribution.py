"""A multiset of measured values: its mean, median and 90th percentile. Pure."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Any

Key = tuple[Any, ...]
"""What the values were measured of."""


class Distribution:
    """Values with how often each occurs. It never changes, so it is described once."""

    def __init__(self, counts: Mapping[int, int]) -> None:
        self._counts = counts
        self._described: dict[int, dict[str, Any]] = {}

    def with_more(self, added: Iterable[tuple[int, int]]) -> "Distribution":
        """Another, with so many more (or less) of each value."""
        counts = dict(self._counts)
        for value, n in added:
            if (now := counts.get(value, 0) + n) == 0:
                del counts[value]
            else:
                counts[value] = now
        return Distribution(counts)

    def __bool__(self) -> bool:
        return bool(self._counts)

    def described(self, unit: int) -> dict[str, Any]:
        """`value` (the mean), `median`, `p90` and `n`, values divided by `unit`."""
        if unit not in self._described:
            self._described[unit] = self._describe(unit)
        return self._described[unit]

    def _describe(self, unit: int) -> dict[str, Any]:
        values = sorted(self._counts)
        upto = list(accumulate(self._counts[value] for value in values))
        total = sum(value * count for value, count in self._counts.items())
        return {
            "value": total / (upto[-1] * unit),  # rounded once, as live/gauges.py does
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


def with_more(held: Mapping[Key, Distribution], added: Iterable[tuple[Key, int, int]]) -> dict[Key, Distribution]:
    """Distributions by key once there are `n` more of values: (key, value, n). Those that nothing came to stay as they
    are; one of which nothing is left has no entry."""
    more: dict[Key, list[tuple[int, int]]] = {}
    for key, value, n in added:
        more.setdefault(key, []).append((value, n))
    nothing = Distribution({})
    changed = {key: held.get(key, nothing).with_more(values) for key, values in more.items()}
    return {key: found for key, found in {**held, **changed}.items() if found}
