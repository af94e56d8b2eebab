"""Scorecards: what the members of a role reached of their targets, and one score of it. Pure.

`attainment` = actual / target. `score` = sum(weight * min(attainment, cap)) / sum(weight), over the KPIs that have an
attainment. `pace` = actual / expected by now (pace.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Literal, NamedTuple

import msgspec

from services.metrics.catalogue.kpis import Kpi, Simple, Trailing
from services.metrics.pace import ADDED_UP, BusinessDays, Calendar, Goal, goal
from shared.config.targets import Target
from shared.config.team import Team

Cut = Literal["rep", "owner", "all"]
"""Whose a number is: that of a dimension's member, or one that all share as the KPI knows nobody's part in it."""
Actuals = Mapping[str, float | None]
"""Currency ("" where the KPI is no money) -> what was reached; in major units."""


class KpiScore(msgspec.Struct):
    """One KPI of a scorecard, money per currency. All amounts in the KPI's unit, money in major units.

    Without a target, or where the actual value is not known (a rate of nothing), there is no attainment, and the KPI
    does not count into the score. The weight of a KPI is spread evenly over the currencies that have targets.
    """

    kpi: str
    by: Cut
    actual: float | None
    target: float | None
    expected: float | None
    pace: float | None
    weight: float
    attainment: float | None
    currency: str | None


class Score(msgspec.Struct):
    """What all members of a role reached together; the sum of their targets is their target."""

    score: float | None
    business_days: BusinessDays | None
    kpis: list[KpiScore]
    without_target: list[str]


class MemberScore(Score):
    """What one member reached. `business_days` of the period are those on which the person is in team.yaml."""

    member: str
    name: str


class Reading(NamedTuple):
    """What the numbers say of one KPI: of each member, and of all together, which need not be the sum."""

    kpi: Kpi
    weight: float
    cut: Cut
    of: Mapping[str, Actuals]
    together: Actuals


def cut_of(kpi: Kpi, wanted: Cut) -> Cut:
    """By what the members are told apart: as wanted, else by rep, else not at all."""
    return next((cut for cut in (wanted, "rep") if cut in kpi.dimensions), "all")


def value_of_nothing(kpi: Kpi) -> float | None:
    """The value of a member of whom there is no row: nothing was done, or nothing can be said."""
    counted = isinstance(kpi, Trailing) or (isinstance(kpi, Simple) and kpi.definition.kind in (*ADDED_UP, "stock"))
    return 0 if counted else None


def scored(
    readings: Sequence[Reading],
    members: Sequence[str],
    team: Team,
    targets: Iterable[Target],
    days: Calendar,
    cap: float,
) -> tuple[list[MemberScore], Score]:
    """Each member, and all together. `targets`: those of the period."""
    aims = list(targets)
    goals = {rep: [_goals(r, aims, rep, days.of(team.entries_of(rep))) for r in readings] for rep in members}
    scores = []
    for rep in members:
        rows = [row for r, goal in zip(readings, goals[rep], strict=True) for row in _rows(r, r.of.get(rep, {}), goal)]
        about = (score(rows, cap), days.of(team.entries_of(rep)), rows, _without_target(rows))
        scores.append(MemberScore(*about, rep, team.name_of(rep)))
    together = []
    for n, reading in enumerate(readings):
        shared = _goals(reading, aims, None, days.whole())
        summed = shared if reading.cut == "all" else _added(reading, [goals[rep][n] for rep in members])
        together += _rows(reading, reading.together, summed)
    return scores, Score(score(together, cap), days.whole(), together, _without_target(together))


def _goals(reading: Reading, targets: Sequence[Target], rep: str | None, days: BusinessDays | None) -> dict[str, Goal]:
    """A person's goals by currency. Of a number that all share, the target of all holds for who has none alone."""
    own = [t for t in targets if t.kpi == reading.kpi.id and rep and t.member == rep]
    if not own and reading.cut == "all":
        own = [t for t in targets if t.kpi == reading.kpi.id and not (t.member or t.team or t.segment)]
    return {t.currency or "": goal(reading.kpi, float(t.value), days) for t in own}


def _added(reading: Reading, members: Iterable[Mapping[str, Goal]]) -> dict[str, Goal]:
    """The sum of the members' goals. Rates and mean times do not add up: together they have none."""
    found: dict[str, Goal] = {}
    if value_of_nothing(reading.kpi) is None:
        return found
    for goals in members:
        for currency, (target, expected) in goals.items():
            held = found.get(currency, Goal(0, None))
            by_now = held.expected if expected is None else expected + (held.expected or 0)
            found[currency] = Goal(held.target + target, by_now)
    return found


def _rows(reading: Reading, actuals: Actuals, goals: Mapping[str, Goal]) -> list[KpiScore]:
    """A row for each currency that has an amount or a goal, one row at least."""
    aims = [currency for currency, goal in goals.items() if goal.target > 0]
    rows = []
    for currency in sorted(actuals.keys() | goals.keys()) or [""]:
        goal = goals.get(currency)
        actual = actuals.get(currency, value_of_nothing(reading.kpi))
        target, expected = goal or (None, None)
        weight = reading.weight / (len(aims) or 1) if currency in aims or not aims else 0.0
        rows.append(
            KpiScore(
                kpi=reading.kpi.id,
                by=reading.cut,
                actual=actual,
                target=target,
                expected=expected,
                pace=_part(actual, expected),
                weight=weight,
                attainment=_part(actual, target),
                currency=currency or None,
            )
        )
    return rows


def score(rows: Iterable[KpiScore], cap: float) -> float | None:
    """None where nothing that has a weight has an attainment. Rounded once, at the end: who is at 1 has 1."""
    counted = [(_exact(r.weight), _exact(min(r.attainment, cap))) for r in rows if r.attainment is not None]
    weights = sum(weight for weight, _ in counted)
    return float(sum(weight * reached for weight, reached in counted) / weights) if weights else None


def _exact(number: float) -> Fraction:
    return Fraction(str(number))  # by its text: 0.6 is three fifths, which the float itself is not


def _without_target(rows: Iterable[KpiScore]) -> list[str]:
    """KPIs that have no target, in order."""
    rows = list(rows)
    aimed = {row.kpi for row in rows if row.target is not None}
    return [kpi for kpi in dict.fromkeys(row.kpi for row in rows) if kpi not in aimed]


def _part(actual: float | None, whole: float | None) -> float | None:
    return actual / whole if actual is not None and whole else None
