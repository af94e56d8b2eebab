"""Targets that fit the catalogue, and which of them hold now. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date

import msgspec

from services.metrics.catalogue.kpis import Catalogue
from services.metrics.live.gauges import TOTAL, Sample
from shared.config.document import Document
from shared.config.targets import Target
from shared.periods import current_periods

DEFAULT_CURRENCY = "JPY"


def in_currency(
    targets: Iterable[Target], catalogue: Catalogue, documents: Mapping[str, Document]
) -> tuple[Target, ...]:
    """The targets, those of money each in a currency. `documents`: the files by name, for the line of a mistake.

    Raises ConfigError for a currency where there is no money, and where two targets are one once both have theirs.
    """
    found: dict[tuple[str | None, ...], Target] = {}
    for index, target in enumerate(targets):
        kpi = catalogue.get(target.kpi)
        money = kpi is not None and kpi.money
        if target.currency and not money:
            reason = f"{target.kpi} is no money; leave `currency` out"
            raise documents["targets"].error((index, "currency"), reason)
        full = msgspec.structs.replace(target, currency=target.currency or DEFAULT_CURRENCY) if money else target
        aim = (full.kpi, full.period, full.member, full.team, full.segment, full.currency)
        if aim in found:
            reason = f"this target of {target.kpi} for {target.period} stands here twice; `currency` is {full.currency}"
            raise documents["targets"].error((index,), reason)
        found[aim] = full
    return tuple(found.values())


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
