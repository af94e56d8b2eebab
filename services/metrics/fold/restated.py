"""How much batches move days that had ended already, by KPI: what `tasuki_kpi_restated_total` counts. Pure."""

from collections import Counter
from collections.abc import Iterable
from datetime import date

from services.metrics.catalogue.kpis import Catalogue, Simple, parts_of
from services.metrics.contributions.facts import Contributions, Dimensions
from services.metrics.match import selected
from services.metrics.store import CounterKey

RESTATED = "restated"
RESTATED_LABELS = ("kpi",)


class Restated:
    """Knows which KPIs count which facts."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._parts = [(kpi.id, part) for kpi in catalogue for part in parts_of(kpi).values()]
        self._counting: dict[Dimensions, tuple[tuple[str, bool], ...]] = {}

    def count(self, change: Contributions, today: date) -> Counter[CounterKey]:
        """Facts that the change puts into or takes out of days before `today`, for each KPI that counts them.

        A fact whose amount alone changes is one, for the KPIs that add amounts. What moves from one cell to another, as
        when a lead is found to be of another segment, is two: one out, one in.
        """
        counts: Counter[CounterKey] = Counter()
        for dimensions, (facts, with_amounts) in _moved(change, today).items():
            for kpi, adds_amounts in self._kpis(dimensions):
                if moved := with_amounts if adds_amounts else facts:
                    counts[RESTATED, (kpi,)] += moved
        return counts

    def _kpis(self, dimensions: Dimensions) -> Iterable[tuple[str, bool]]:
        """KPIs that count facts with these dimensions, and whether they add amounts."""
        found = self._counting.get(dimensions)
        if found is None:
            counting: dict[str, bool] = {}
            for kpi, part in self._parts:
                if selected(dimensions, part.measure):
                    counting[kpi] = counting.get(kpi, False) or _adds_amounts(part)
            found = self._counting[dimensions] = tuple(counting.items())
        return found


def _moved(change: Contributions, today: date) -> dict[Dimensions, list[int]]:
    """By dimensions: how many facts moved, and how many when a changed amount is one, too."""
    found: dict[Dimensions, list[int]] = {}
    for (dimensions, day, _, _), (n, _) in change:
        if day < today:
            moved = found.get(dimensions)
            if moved is None:
                moved = found[dimensions] = [0, 0]
            moved[0] += abs(n)
            moved[1] += abs(n) or 1
    return found


def _adds_amounts(part: Simple) -> bool:
    return part.definition.kind in ("sum", "mean") or (part.definition.kind == "stock" and part.money)
