"""What a group of units contributes to KPIs in one period: the part of its facts that moves the answer. Pure.

Two sets of events with the same stakes in every group give the same answer, and what leaves the answer alone is not in
them: without `by` a call stays where it is when its lead moves to another segment, and a sum of money knows nothing of
how long a call took.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from services.metrics.catalogue.kpis import Kpi, Simple, Trailing, parts_of
from services.metrics.contributions import explained, group_of
from services.metrics.contributions.facts import Amount, Contribution, Fact
from services.metrics.contributions.kinds import kind_of
from services.metrics.contributions.rules import Rules
from services.metrics.contributions.truth import by_target, truths
from services.metrics.match import Matcher
from services.metrics.question import Question
from services.metrics.stretches import weeks_until
from shared.events import Event
from shared.periods import Period

Thing = tuple[str, ...]
"""What a fact tells of: its name with its unit, or with the (source, id) of an event that it rests on."""

ONE_OF_A_UNIT = ("lead", "first_response", "second_call", "second_action", "running_company", "new_customer")
"""Facts that a unit has at most one of at a time, whatever events they rest on."""


class Stake(NamedTuple):
    """An amount that one fact adds to a KPI. `place`: part of the KPI, measured value, `by` values and currency."""

    kpi: str
    place: tuple[object, ...]
    things: tuple[Thing, ...]
    amount: Amount


class _Part(NamedTuple):
    """A part of a KPI, and the question that its facts answer."""

    kpi: Kpi
    role: str
    simple: Simple
    question: Question


class Stakes:
    """The stakes of groups in some KPIs."""

    def __init__(
        self, kpis: Sequence[Kpi], period: Period, by: tuple[str, ...], rules: Rules, matcher: Matcher
    ) -> None:
        self._rules = rules
        self._matcher = matcher
        self._parts: dict[str, list[_Part]] = {}
        for kpi in kpis:
            for part in _parts(kpi, period, by):
                self._parts.setdefault(part.simple.measure.fact, []).append(part)

    def of(self, events: Iterable[Event], corrections: Iterable[Event]) -> Counter[Stake]:
        """How often a group with these events has each stake. `corrections`: all that may concern them."""
        true_events = list(truths(events, by_target(corrections)))
        found: Counter[Stake] = Counter()
        for unit, contribution in explained(true_events, group_of(true_events, self._rules), self._rules):
            found.update(self._stakes(unit, contribution))
        return found

    def _stakes(self, unit: str, contribution: Contribution) -> Iterator[Stake]:
        fact, amount, _ = contribution
        for part in self._parts.get(fact.dimensions.name, ()):
            keys = self._matcher.keys(fact, part.simple.measure, part.question)
            if keys is not None and (measured := _measured(part, fact, amount)) != (0, 0):
                yield Stake(part.kpi.id, _place(part, fact, keys), _things(unit, contribution), measured)


def _things(unit: str, contribution: Contribution) -> tuple[Thing, ...]:
    name = contribution.fact.dimensions.name
    if kind_of(name) in ONE_OF_A_UNIT:
        return ((name, unit),)
    return tuple((name, *cause) for cause in contribution.causes)


def _parts(kpi: Kpi, period: Period, by: tuple[str, ...]) -> Iterator[_Part]:
    for role, part in parts_of(kpi).items():
        first, last = _days(kpi, part, period)
        yield _Part(kpi, role, part, Question(kpi, "all", first, last, by).known_to(part))


def _days(kpi: Kpi, part: Simple, period: Period) -> tuple[date | None, date]:
    """The days whose facts the part's value of the period is made from, both inclusive."""
    if part.definition.kind == "stock":
        return None, period.last
    if not isinstance(kpi, Trailing):
        return period.first, period.last
    return weeks_until(period.last, kpi.definition.weeks)


def _place(part: _Part, fact: Fact, keys: Mapping[str, str]) -> tuple[object, ...]:
    measured = fact.value if part.simple.definition.kind == "duration" else None
    return (part.role, measured, *(value for name, value in keys.items() if name != "period"))


def _measured(part: _Part, fact: Fact, amount: Amount) -> Amount:
    """What of an amount the KPI's value knows."""
    definition, alone = part.simple.definition, part.kpi is part.simple
    match definition.kind:
        case "count" | "duration":
            return Amount(amount.n)
        case "stock" if not part.simple.money:
            return Amount(amount.n)
        case "points":
            points = amount.n * definition.points_of(fact.dimensions.tier, fact.dimensions.rank)
            return Amount(0 if alone else amount.n, points)
        case "sum" | "stock" if alone:
            return Amount(0, amount.total)
        case _:  # a mean divides by how many there are; a rate has a row where there is anything, be it 0
            return amount
