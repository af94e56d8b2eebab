"""How much of a target should be reached by now. Pure.

expected by now = target * business days over / business days, for what adds up over the days of a period.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import NamedTuple

import msgspec

from services.metrics.catalogue.kpis import Kpi, Simple
from shared.config.team import Member
from shared.periods import OpeningHours, Period

ADDED_UP = ("count", "sum", "points")
"""Kinds that grow with the days of a period; a rate, a mean time or a stock should be at its target on each of them."""


class BusinessDays(msgspec.Struct, frozen=True):
    """How many there are, and how many are over; today counts as over."""

    total: int
    elapsed: int


class Goal(NamedTuple):
    """What is to be reached, and how much of it by now; None where a period has no business days, or no end."""

    target: float
    expected: float | None


class Calendar:
    """The business days of a period on which the company is open; none are known of `all`, which has no end."""

    def __init__(self, period: Period, today: date, opening: OpeningHours) -> None:
        self._today = today
        self._bounded = period.last < date.max
        length = (period.last - period.first).days + 1 if self._bounded else 0
        days = (period.first + timedelta(days=n) for n in range(length))
        self._days = [day for day in days if opening.is_open(day)]

    def whole(self) -> BusinessDays | None:
        """Those of the whole period."""
        return self._within([(date.min, date.max)])

    def of(self, entries: Iterable[Member]) -> BusinessDays | None:
        """Those on which any of a person's entries holds; a person's entries do not overlap."""
        return self._within([(entry.from_, entry.to) for entry in entries])

    def _within(self, stretches: Sequence[tuple[date, date]]) -> BusinessDays | None:
        if not self._bounded:
            return None
        total = sum(self._count(first, last) for first, last in stretches)
        return BusinessDays(total, sum(self._count(first, min(last, self._today)) for first, last in stretches))

    def _count(self, first: date, last: date) -> int:
        return max(bisect_right(self._days, last) - bisect_left(self._days, first), 0)


def goal(kpi: Kpi, target: float, days: BusinessDays | None) -> Goal:
    """A target, and its part that the business days which are over should have brought."""
    if days is None or not days.total:
        return Goal(target, None)
    if isinstance(kpi, Simple) and kpi.definition.kind in ADDED_UP:
        return Goal(target, target * days.elapsed / days.total)
    return Goal(target, target if days.elapsed else 0)
