"""Whether a fact answers a question, and under which keys: what query/sql.py says in SQL, said of one fact. Pure."""

from collections.abc import Callable
from datetime import date

from services.metrics.catalogue import Exclusion, Measure, Test
from services.metrics.contributions.facts import Dimensions, Fact
from services.metrics.question import Question
from shared.config.team import Team
from shared.periods import period_of


class Matcher:
    """Matches facts by the teams of team.yaml and the business calendar."""

    def __init__(self, team: Team, fiscal_year_start: int) -> None:
        self._team = team
        self._fiscal_year_start = fiscal_year_start

    def keys(self, fact: Fact, measure: Measure, question: Question) -> dict[str, str] | None:
        """`period`, each of `by` and (for money) `currency` of a fact that counts; None when it does not."""
        if not selected(fact.dimensions, measure):
            return None
        if question.from_day and fact.day < question.from_day:
            return None
        if question.to_day and fact.day > question.to_day:
            return None
        if any(self._value(fact, dimension) not in values for dimension, values in question.where):
            return None
        label = period_of(fact.day, question.grain, self._fiscal_year_start).label
        keys = {"period": label, **{dimension: self._value(fact, dimension) for dimension in question.by}}
        return keys | ({"currency": fact.dimensions.currency} if measure.money else {})

    def _value(self, fact: Fact, dimension: str) -> str:
        if dimension == "team":
            return self._team.team_of(fact.dimensions.rep, fact.team_day)
        derive = _DERIVED.get(dimension)
        return derive(fact) if derive else str(getattr(fact.dimensions, dimension))


_DERIVED: dict[str, Callable[[Fact], str]] = {
    "hour": lambda fact: f"{fact.hour:02}",
    "ampm": lambda fact: "AM" if fact.hour < 12 else "PM",
    "weekday": lambda fact: str(date.isoweekday(fact.day)),
}


def selected(dimensions: Dimensions, measure: Measure) -> bool:
    """Whether a measure is made of facts with these dimensions."""
    if dimensions.name != measure.fact or (measure.money and not dimensions.currency):
        return False
    return all(_passes(getattr(dimensions, dimension), test) for dimension, test in measure.tests)


def _passes(value: str, test: Test) -> bool:
    match test:
        case Exclusion():
            return value not in test.none_of
        case str():
            return value == test
        case _:
            return value in test
