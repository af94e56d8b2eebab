"""Whether a fact answers a question, and under which keys: what query/sql.py says in SQL, said of one fact. Pure."""

from collections.abc import Callable
from datetime import date
from typing import Any, Protocol

from services.metrics.catalogue.kpis import Measure, passes
from services.metrics.contributions.facts import Dimensions, Fact
from services.metrics.question import Question
from services.metrics.selection import Selection, selection_of
from shared.periods import period_of


class Teams(Protocol):
    """Who is in which team when."""

    def team_of(self, rep: str, day: date, /) -> str:
        """The rep's team on a day, "" when in none."""


class Matcher:
    """Matches facts by teams and the business calendar."""

    def __init__(self, teams: Teams, fiscal_year_start: int) -> None:
        self._teams = teams
        self._fiscal_year_start = fiscal_year_start

    def keys(self, fact: Fact, measure: Measure, question: Question) -> dict[str, str] | None:
        """`period`, each of `by` and (for money) `currency` of a fact that counts; None when it does not."""
        key = self.key(fact, selection_of(measure, question))
        return None if key is None else dict(zip(("period", *question.by, "currency"), key, strict=False))

    def key(self, fact: Fact, selection: Selection) -> tuple[Any, ...] | None:
        """The key of the sum that a fact belongs to; None when it is not selected."""
        if not selected(fact.dimensions, selection.measure):
            return None
        if selection.from_day and fact.day < selection.from_day:
            return None
        if selection.to_day and fact.day > selection.to_day:
            return None
        if any(self.value(fact, dimension) not in values for dimension, values in selection.where):
            return None
        label = period_of(fact.day, selection.grain, self._fiscal_year_start).label
        currency = (fact.dimensions.currency,) if selection.measure.money else ()
        by = (self.value(fact, dimension) for dimension in selection.by)
        return (label, *by, *currency, *(_ALSO[name](fact) for name in selection.also))

    def value(self, fact: Fact, dimension: str) -> str:
        """A fact's value of a dimension, derived ones included."""
        if dimension == "team":
            return self._teams.team_of(fact.dimensions.rep, fact.team_day)
        derive = _DERIVED.get(dimension)
        return derive(fact) if derive else str(getattr(fact.dimensions, dimension))


_DERIVED: dict[str, Callable[[Fact], str]] = {
    "hour": lambda fact: f"{fact.hour:02}",
    "ampm": lambda fact: "AM" if fact.hour < 12 else "PM",
    "weekday": lambda fact: str(date.isoweekday(fact.day)),
}
_ALSO: dict[str, Callable[[Fact], Any]] = {
    "day": lambda fact: fact.day,
    "value": lambda fact: fact.value,
    "outcome": lambda fact: fact.dimensions.outcome,
    "tier": lambda fact: fact.dimensions.tier,
    "rank": lambda fact: fact.dimensions.rank,
}


def selected(dimensions: Dimensions, measure: Measure) -> bool:
    """Whether a measure is made of facts with these dimensions."""
    if dimensions.name != measure.fact or (measure.money and not dimensions.currency):
        return False
    return all(passes(getattr(dimensions, dimension), test) for dimension, test in measure.tests)
