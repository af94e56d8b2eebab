"""Targets that fit the catalogue, and which of them hold now. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import NamedTuple

import msgspec

from services.metrics.catalogue.kpis import Catalogue
from services.metrics.live.gauges import TOTAL, Sample
from services.metrics.pace import Calendar, goal
from shared.config.document import Document
from shared.config.targets import Target
from shared.config.team import Team
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


class Aim(NamedTuple):
    """A target of a period that holds today, and how much of it by now.

    None by now where the period has no business days, and of a KPI of which less is better: its target is a limit, not
    something to be brought. Both in the KPI's unit, money in major units.
    """

    sample: Sample
    target: float
    expected: float | None


def current_aims(
    targets: Iterable[Target], catalogue: Catalogue, team: Team, today: date, fiscal_year_start: int
) -> Iterator[Aim]:
    """Every target of a period that holds today. A person's business days are those in which team.yaml has them."""
    opening = team.sales.opening
    current = {
        period.label: (name, Calendar(period, today, opening))
        for name, period in current_periods(today, fiscal_year_start).items()
    }
    for target in targets:
        kpi = catalogue.get(target.kpi)
        if kpi is not None and target.period in current:
            name, calendar = current[target.period]
            days = calendar.of(team.entries_of(target.member)) if target.member else calendar.whole()
            dimension, member = _whose(target)
            sample = Sample(target.kpi, name, dimension, member, target.currency or "")
            value, expected = goal(kpi, float(target.value), days)
            yield Aim(sample, value, None if kpi.definition.good == "down" else expected)


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
