"""Which contributions are counted in which period of a question: those behind a number. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple

import msgspec

from services.metrics.catalogue.kpis import Coverage, Simple, Trailing
from services.metrics.contributions.facts import Amount, Contribution
from services.metrics.match import Matcher
from services.metrics.question import Question
from services.metrics.stretches import from_the_beginning, stretches, weeks_until
from shared.periods import Period

OfUnit = tuple[str, Contribution]
"""A contribution with its unit."""


class Counted(NamedTuple):
    """A contribution as it is counted in one period. `keys`: the period, each of `by`, and the currency of money."""

    unit: str
    keys: Mapping[str, str]
    contribution: Contribution


class Counting:
    """Tells them as of one day, at which stocks and trailing means end."""

    def __init__(self, matcher: Matcher, today: date, fiscal_year_start: int) -> None:
        self._matcher = matcher
        self._today = today
        self._fiscal_year_start = fiscal_year_start

    def counted(self, question: Question, part: Simple, contributed: Sequence[OfUnit]) -> Iterator[Counted]:
        """Those of a group's contributions that a part of the KPI counts: where they fall, or wherever they stand."""
        asked = question.known_to(part)
        if part.definition.kind == "stock":
            yield from self._standing(asked, list(self._ever(asked, part, contributed)))
        elif isinstance(question.kpi, Trailing):
            for counted in self._ever(asked, part, contributed):
                yield from self._within_weeks(asked, counted, question.kpi.definition.weeks)
        else:
            if isinstance(question.kpi, Coverage):
                asked = from_the_beginning(asked, self._fiscal_year_start)
            yield from self._matching(asked, part, contributed)

    def _matching(self, asked: Question, part: Simple, contributed: Sequence[OfUnit]) -> Iterator[Counted]:
        for unit, contribution in contributed:
            keys = self._matcher.keys(contribution.fact, part.measure, asked)
            if keys is not None:
                yield Counted(unit, keys, contribution)

    def _ever(self, asked: Question, part: Simple, contributed: Sequence[OfUnit]) -> Iterator[Counted]:
        """Those that count on any day up to the last that is asked for; their period is not told yet."""
        until = msgspec.structs.replace(asked, grain="all", from_day=None)
        return self._matching(until, part, contributed)

    def _standing(self, asked: Question, counted: Sequence[Counted]) -> Iterator[Counted]:
        """What stands at the end of each period: of what came and went by then, whatever does not come to nothing."""
        things: dict[tuple[object, ...], list[Counted]] = {}
        for one in counted:
            things.setdefault((one.unit, *one.keys.values(), one.contribution.causes), []).append(one)
        for changes in things.values():
            unit, keys, (fact, _, said) = changes[0]
            first = min(one.contribution.fact.day for one in changes)
            for period, end in self._stretches(asked, first):
                amounts = [one.contribution.amount for one in changes if one.contribution.fact.day <= end]
                stands = Amount(sum(n for n, _ in amounts), sum(total for _, total in amounts))
                if stands != (0, 0):
                    yield Counted(unit, {**keys, "period": period.label}, Contribution(fact, stands, said))

    def _within_weeks(self, asked: Question, counted: Counted, weeks: int) -> Iterator[Counted]:
        """It, once for each period whose weeks hold it."""
        day = counted.contribution.fact.day
        for period, end in self._stretches(asked, day):
            first, last = weeks_until(end, weeks)
            if first > day:
                return
            if day <= last:
                yield counted._replace(keys={**counted.keys, "period": period.label})

    def _stretches(self, asked: Question, first: date) -> Iterator[tuple[Period, date]]:
        return stretches(asked, first, self._today, self._fiscal_year_start)
