"""Which targets hold now. Pure."""

from collections.abc import Iterable, Iterator
from datetime import date

from services.metrics.gauges import TOTAL, Sample
from shared.config.targets import Target
from shared.periods import current_periods


def target_samples(targets: Iterable[Target], today: date, fiscal_year_start: int) -> Iterator[tuple[Sample, float]]:
    """Every target of a period that holds today, as labels and value; money in major units."""
    current = {period.label: name for name, period in current_periods(today, fiscal_year_start).items()}
    for target in targets:
        if target.period in current:
            dimension, member = _whose(target)
            yield (
                Sample(target.kpi, current[target.period], dimension, member, target.currency or ""),
                float(target.value),
            )


def target_of(kpi: str, targets: Iterable[Target], today: date, fiscal_year_start: int) -> Target | None:
    """The target of all together for the shortest current period that has one."""
    current = [period.label for period in current_periods(today, fiscal_year_start).values()]
    held = {t.period: t for t in targets if t.kpi == kpi and _whose(t)[0] == TOTAL}
    return next((held[label] for label in current if label in held), None)


def _whose(target: Target) -> tuple[str, str]:
    if target.member:
        return "rep", target.member
    if target.team:
        return "team", target.team
    if target.segment:
        return "segment", target.segment
    return TOTAL, ""
