"""What is to be summed, whichever KPI asks for it. Pure."""

from datetime import date
from typing import Literal

import msgspec

from services.metrics.catalogue.kpis import Measure
from services.metrics.question import Grain, Question

Also = Literal["day", "value", "outcome", "tier", "rank"]


class Selection(msgspec.Struct, frozen=True):
    """Facts of a measure on some days, and what their sums are told apart by.

    `by`, `where`, and the days are as in a question; `also`: what else of a fact tells sums apart. The key of a sum is
    the period's label, the values of `by`, the currency (for money) and those of `also`.
    """

    measure: Measure
    grain: Grain
    from_day: date | None
    to_day: date | None
    by: tuple[str, ...] = ()
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    also: tuple[Also, ...] = ()

    @property
    def dimensions(self) -> set[str]:
        """All that are looked at."""
        return {*self.by, *(dimension for dimension, _ in self.where)}


def selection_of(measure: Measure, question: Question, *also: Also) -> Selection:
    """What a part of a KPI needs for a question."""
    q = question
    return Selection(measure, q.grain, q.from_day, q.to_day, q.by, q.where, also)
