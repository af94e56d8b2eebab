"""From a question to the rows of the contract: one way for each kind of KPI."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sized
from datetime import date
from decimal import Decimal
from functools import partial
from itertools import accumulate

import asyncpg
import msgspec

from services.metrics.catalogue.kpis import Coverage, Ratio, Share, Simple, Trailing
from services.metrics.query.memory import Distributions, Memory, distributions_of
from services.metrics.query.sql import sums_of_cells
from services.metrics.query.values import (
    MICROSECONDS,
    NOTHING,
    Key,
    Row,
    Sum,
    Sums,
    amount,
    divided,
    ratios,
    simple_value,
)
from services.metrics.question import Question, too_many
from services.metrics.selection import Also, Selection, selection_of
from services.metrics.stretches import from_the_beginning, last_day, stretches, weeks_until
from shared.config.targets import Target
from shared.periods import Period

Daily = dict[Key, list[tuple[date, Sum]]]
"""`by` values and currency -> what was added on each day, in order."""


class Asker:
    """Asks for KPIs on one connection, as of one day.

    cells: the table to sum. memory: sums of the usual table that are known already; needs a snapshot. rows_at_most: in
    all answers together; more are refused with Problem 422.
    """

    def __init__(
        self,
        conn: asyncpg.Connection,
        today: date,
        fiscal_year_start: int,
        targets: Iterable[Target] = (),
        *,
        cells: str,
        memory: Memory | None = None,
        rows_at_most: float = math.inf,
    ) -> None:
        made = partial(sums_of_cells, conn, fiscal_year_start=fiscal_year_start, cells=cells)
        self._sums: Callable[[Selection], Awaitable[Sums]] = partial(memory.sums, conn, cells=cells) if memory else made
        self._memory = memory
        self._conn = conn
        self._cells = cells
        self._today = today
        self._fiscal_year_start = fiscal_year_start
        self._targets = {_whose(t): t.value for t in targets}
        self._rows_left = rows_at_most

    async def answer(self, question: Question) -> list[Row]:
        """The rows, in order of period, `by` and currency."""
        # Rows of money have a currency, asked for or not.
        cut = tuple(d for d in question.by if d != "currency" or not question.kpi.money)
        found = await self._found(msgspec.structs.replace(question, by=cut))
        self._bounded(found)
        self._rows_left -= len(found)
        rows = [dict(zip(("period", *cut, "currency"), key, strict=False)) | values for key, values in found.items()]
        order = ("period", *question.by, *(["currency"] if question.kpi.money else []))
        return sorted(rows, key=lambda row: [row[name] for name in order])

    async def _found(self, question: Question) -> Mapping[Key, Row]:
        match question.kpi:
            case Ratio() as kpi:
                above = await self.sums(kpi.numerator, question.known_to(kpi.numerator))
                below = await self.sums(kpi.denominator, question.known_to(kpi.denominator))
                return ratios(kpi, question.by, above, below)
            case Share() as kpi:
                return await self._shares(kpi, question)
            case Trailing() as kpi:
                return await self._trailing(kpi, question)
            case Coverage() as kpi:
                return await self._coverage(kpi, question)
            case Simple() as kpi if kpi.definition.kind == "duration":
                return await self._durations(kpi, question)
            case Simple() as kpi:
                sums = await self.sums(kpi, question)
                return {key: simple_value(kpi, key[-1], found) for key, found in sums.items()}
            case _:
                raise TypeError(f"no way to ask for {question.kpi.id}")

    async def sums(self, kpi: Simple, question: Question) -> Mapping[Key, Sum]:
        """Sums by period, `by` and (for money) currency."""
        if kpi.definition.kind == "stock":
            return await self._stock(kpi, question)
        if kpi.definition.kind == "points":
            return await self._points(kpi, question)
        return await self._sums(selection_of(kpi.measure, question))

    async def _points(self, kpi: Simple, question: Question) -> dict[Key, Sum]:
        found: dict[Key, Sum] = {}
        for (*key, tier, rank), added in (
            await self._sums(selection_of(kpi.measure, question, "tier", "rank"))
        ).items():
            held = found.get(tuple(key), NOTHING)
            points = added.n * kpi.definition.points_of(tier, rank)
            found[tuple(key)] = Sum(held.n + added.n, held.total + points)
        return found

    async def _distributions(self, selection: Selection) -> Distributions:
        if self._memory:
            return await self._memory.distributions(self._conn, selection, self._cells)
        return distributions_of(await self._sums(selection))

    async def _durations(self, kpi: Simple, question: Question) -> dict[Key, Row]:
        found = await self._distributions(selection_of(kpi.measure, question, "value"))
        unit = MICROSECONDS[kpi.definition.unit]
        return {key: distribution.described(unit) for key, distribution in found.items()}

    async def _shares(self, kpi: Share, question: Question) -> dict[Key, Row]:
        """Of all members together, whichever of them are asked for."""
        everybody = msgspec.structs.replace(
            question,
            by=tuple(d for d in question.by if d != kpi.across),
            where=tuple(kept for kept in question.where if kept[0] != kpi.across),
        )
        whole = await self.sums(kpi.part, everybody)
        shares: dict[Key, Row] = {}
        for key, found in (await self.sums(kpi.part, question)).items():
            rest = (key[0], *(part for d, part in zip(question.by, key[1:], strict=True) if d != kpi.across))
            below = whole[rest].n
            shares[key] = {"value": divided(found.n, below), "numerator": found.n, "denominator": below}
        return shares

    async def _daily(self, kpi: Simple, question: Question, *apart: Also) -> Daily:
        """What each day added, from the beginning; sums that are told `apart` are entries of their own."""
        until = last_day(question, self._today)
        unbounded = Selection(kpi.measure, "all", None, until, question.by, question.where, (*apart, "day"))
        daily: Daily = {}
        for (_, *key, day), added in (await self._sums(unbounded)).items():
            daily.setdefault(tuple(key[: len(key) - len(apart)]), []).append((day, added))
        for days in daily.values():
            days.sort()
        return daily

    def _stretches(self, question: Question, first: date) -> Iterator[tuple[Period, date]]:
        return stretches(question, first, self._today, self._fiscal_year_start)

    def _bounded(self, found: Sized) -> None:
        if len(found) > self._rows_left:
            raise too_many()

    async def _stock(self, kpi: Simple, question: Question) -> dict[Key, Sum]:
        """Standing at the end of each period, of `to`, or today, whichever is first."""
        found: dict[Key, Sum] = {}
        # what opened and closed on one day adds nothing to it, but is the first event all the same
        for key, days in (await self._daily(kpi, question, "outcome")).items():
            held, rest = NOTHING, iter([*days, (date.max, NOTHING)])
            day, added = next(rest)
            for stretch, end in self._stretches(question, days[0][0]):
                while day <= end and day != date.max:
                    held = Sum(held.n + added.n, held.total + added.total)
                    day, added = next(rest)
                found[(stretch.label, *key)] = held
            self._bounded(found)
        return found

    async def _trailing(self, kpi: Trailing, question: Question) -> dict[Key, Row]:
        """Mean per week over the last whole weeks that ended on or before the period's end (or today)."""
        weeks = kpi.definition.weeks
        found: dict[Key, Row] = {}
        for key, days in (await self._daily(kpi.of, question)).items():
            upto = [0, *accumulate(added.n for _, added in days)]  # how many before each of the days
            for stretch, end in self._stretches(question, days[0][0]):
                first, last = weeks_until(end, weeks)
                n = upto[bisect_right(days, last, key=_day)] - upto[bisect_left(days, first, key=_day)]
                found[(stretch.label, *key)] = {"value": n / weeks, "numerator": n, "denominator": weeks}
            self._bounded(found)
        return found

    async def _coverage(self, kpi: Coverage, question: Question) -> dict[Key, Row]:
        """Stock at the period's end per what is still missing to the target of the period; null when nothing is."""
        reached = await self.sums(kpi.reached, from_the_beginning(question, self._fiscal_year_start))
        found: dict[Key, Row] = {}
        for key, held in (await self.sums(kpi.stock, question)).items():
            have = amount(kpi.stock, key[-1], held.total)
            target = self._target(kpi.reached.id, question, key)
            missing = None
            if target is not None:
                missing = float(target) - amount(kpi.reached, key[-1], reached.get(key, NOTHING).total)
            value = divided(have, missing) if missing is not None and missing > 0 else None
            found[key] = {"value": value, "numerator": have, "denominator": missing}
        return found

    def _target(self, kpi: str, question: Question, key: Key) -> Decimal | None:
        """The target of whom a row is about; None where there is none, or it is about several or of two dimensions.

        A member's target is of the side on which the row shows the member: credited as `rep`, or selling as `owner`.
        """
        about = {dimension: values for dimension, values in question.where if dimension != "currency"}
        about |= {dimension: (member,) for dimension, member in zip(question.by, key[1:], strict=False)}
        match list(about.items()):
            case []:
                whose = ("", "")
            case [(dimension, (member,))]:
                whose = ("rep" if dimension == "owner" else dimension, member)
            case _:
                return None
        return self._targets.get((kpi, key[0], *whose, key[-1]))


def _day(added: tuple[date, Sum]) -> date:
    return added[0]


def _whose(target: Target) -> tuple[str, str, str, str, str]:
    of = {"rep": target.member, "team": target.team, "segment": target.segment}
    dimension, member = next(((d, m) for d, m in of.items() if m), ("", ""))
    return target.kpi, target.period, dimension, member, target.currency or ""
