"""How figures are told: a line a measure, with what it should be."""

import statistics
from collections.abc import Sequence


def heading(text: str) -> None:
    """Begin a table."""
    print(f"\n{text}", flush=True)


def figure(name: str, value: str, note: str = "") -> None:
    """A figure that only means something within this run."""
    print(f"  {name:<58} {value:>16}  {note}", flush=True)


def ratio(name: str, value: float, *, must: str, aim: str) -> None:
    """A ratio, which carries over to other machines."""
    print(f"  {name:<58} {value:>16.2f}  must {must}, aim {aim}", flush=True)


def spread(values: Sequence[float]) -> str:
    """Least and greatest of some rounds."""
    return f"{min(values):,.0f} to {max(values):,.0f}"


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)
