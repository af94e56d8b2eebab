"""KPI values for Prometheus: every KPI for the current periods, in total and by each single dimension.

The sums behind them are added up once, by one statement for each kind of fact, and from then on fact by fact.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple

import asyncpg

from services.metrics import store
from services.metrics.catalogue.kpis import Catalogue, Coverage, Kpi, Ratio, Share, Simple, Trailing
from services.metrics.contributions.facts import Amount, Dimensions, Fact
from services.metrics.live.sources import GAUGE_DIMENSIONS, Source, Statement, sources_of
from services.metrics.live.turns import Turns
from services.metrics.match import Matcher, selected
from services.metrics.query.memory import Membership
from services.metrics.query.sql import make_room
from services.metrics.query.values import MICROSECONDS, NOTHING, Sum, amount, divided, ratio_value, simple_value
from shared.periods import Period

TOTAL = "total"
OTHER = "other"


class Sample(NamedTuple):
    """Labels of one `tasuki_kpi_value`."""

    kpi: str
    period: str
    dimension: str
    member: str
    currency: str


Members = Mapping[str, frozenset[str]]
"""The known members of each dimension; whatever else turns up is counted as `other`, so that labels stay bounded."""

CellKey = tuple[str, str, str, str]
"""(period, dimension, member, currency)."""

Cells = dict[CellKey, Sum]
"""For a duration `total` is in microseconds, for points it is points."""


class Gauges:
    """The gauges of one day. `periods`: label -> days; the last day of `today` is today."""

    def __init__(
        self,
        catalogue: Catalogue,
        periods: Mapping[str, Period],
        members: Members,
        targets: Mapping[Sample, float],
        fiscal_year_start: int,
    ) -> None:
        self._catalogue = catalogue
        self._periods = periods
        self._members = members
        self._targets = targets
        self._fiscal_year_start = fiscal_year_start
        self._sources: dict[str, list[Source]] = {}
        for source in sources_of(catalogue, periods):
            self._sources.setdefault(source.of.measure.fact, []).append(source)
        self._sums: dict[str, Cells] = {s.id: {} for sources in self._sources.values() for s in sources}
        self._facts: dict[str, Counter[CellKey]] = {id_: Counter() for id_ in self._sums}  # of what stands
        self._changed: dict[str, set[CellKey]] = {id_: set() for id_ in self._sums}
        self._currencies = {""}
        self._matcher = Matcher(Membership([]), fiscal_year_start)

    async def load(self, conn: asyncpg.Connection, cells: str) -> None:
        """Add all cells of a table up."""
        await make_room(conn)
        self._matcher = Matcher(Membership(await store.membership(conn)), self._fiscal_year_start)
        for fact, sources in self._sources.items():
            await self._load(conn, cells, fact, sources)

    async def _load(self, conn: asyncpg.Connection, cells: str, fact: str, sources: Sequence[Source]) -> None:
        statement = Statement(fact, sources)
        text, parameters = statement.text(cells)
        counting: dict[Dimensions, list[Source]] = {}  # many rows have the same dimensions
        turns = Turns()
        for row in await conn.fetch(text, *parameters):
            day = statement.starts[row["stretch"] - 1]
            dimensions = Dimensions(fact, **{name: row[f"of_{name}"] for name in statement.told})
            cut = next((d for d in statement.cuts if not row[f"no_{d}"]), TOTAL)
            member = self._member(cut, row[f"by_{cut}"]) if cut != TOTAL else ""
            added = Sum(row["n"], int(row["total"]))
            chosen = counting.get(dimensions)
            if chosen is None:
                chosen = counting[dimensions] = [s for s in sources if selected(dimensions, s.of.measure)]
            for source in chosen:
                if cut == TOTAL or cut in source.of.dimensions:
                    self._add(source, day, dimensions, [(cut, member)], added, int(row["measured"]))
            await turns.after(1 + len(chosen))  # with hundreds of KPIs this takes seconds

    async def add(self, told: Iterable[tuple[Fact, Amount]]) -> None:
        """Take in what has changed since."""
        turns = Turns()
        for fact, added in told:
            sources = [
                s for s in self._sources.get(fact.dimensions.name, ()) if selected(fact.dimensions, s.of.measure)
            ]
            for source in sources:
                cuts = [d for d in GAUGE_DIMENSIONS if d in source.of.dimensions]
                members = [(TOTAL, ""), *((d, self._member(d, self._matcher.value(fact, d))) for d in cuts)]
                self._add(source, fact.day, fact.dimensions, members, Sum(*added), added.n * fact.value)
                await turns.after(len(members) * len(self._periods))

    def _add(
        self,
        source: Source,
        day: date,
        dimensions: Dimensions,
        members: Iterable[tuple[str, str]],
        added: Sum,
        measured: int,
    ) -> None:
        n, total = source.added(dimensions, added, measured)
        currency = dimensions.currency if source.of.money else ""
        self._currencies.add(currency)
        sums, facts, changed = self._sums[source.id], self._facts[source.id], self._changed[source.id]
        labels = [label for window in source.windows if window.first <= day <= window.last for label in window.periods]
        for cut, member in members:
            for label in labels:
                key = (label, cut, member, currency)
                held = sums.get(key, NOTHING)
                changed.add(key)
                sums[key] = Sum(held.n + n, held.total + total)
                if source.stands:
                    facts[key] += source.facts(dimensions, n)
                if sums[key] == NOTHING and not facts[key]:
                    del sums[key]

    async def changes(self) -> dict[Sample, float | None]:
        """The value of every sample that may have changed since this was last asked; None: it has none."""
        found: dict[Sample, float | None] = {}
        turns = Turns()
        for kpi in self._catalogue:
            for key in self._touched(kpi):
                if key[1] == TOTAL or key[1] in kpi.dimensions:
                    value = self._value(kpi, key)
                    found[Sample(kpi.id, *key)] = None if value is None else float(value)
                await turns.after(1)
        for changed in self._changed.values():
            changed.clear()
        return found

    def _touched(self, kpi: Kpi) -> Iterable[CellKey]:
        """The keys whose values depend on what has changed."""
        match kpi:
            case Ratio():
                parts = (kpi.numerator, kpi.denominator)
                return {*self._beside_whole(kpi), *(key for part in parts for key in self._beside(kpi, part))}
            case Share():
                return self._shares(kpi)
            case Trailing():
                active = {(label, *key[1:]) for key in self._changed[kpi.of.id] for label in self._periods}
                return self._changed[kpi.id] | active
            case Coverage():
                return self._changed[kpi.stock.id] | self._changed[kpi.reached.id]
            case _:
                return self._changed[kpi.id]

    def _beside(self, kpi: Ratio, part: Simple) -> Iterable[CellKey]:
        """A part without currencies stands whole beside each of the other's."""
        if part.money == kpi.money:
            return self._changed[part.id]
        return ((*key[:-1], currency) for key in self._changed[part.id] for currency in self._currencies)

    def _beside_whole(self, kpi: Ratio) -> Iterator[CellKey]:
        """A denominator that does not know a dimension stands whole beside each member that the numerator has of it."""
        below = kpi.denominator
        whole = [(label, currency) for label, cut, _, currency in self._changed[below.id] if cut == TOTAL]
        if whole and any(_is_whole(below, d) for d in GAUGE_DIMENSIONS if d in kpi.dimensions):
            for label, cut, member, currency in self._sums[kpi.numerator.id]:
                if _is_whole(below, cut):
                    yield from ((label, cut, member, currency or of) for at, of in whole if at == label)

    def _shares(self, kpi: Share) -> Iterator[CellKey]:
        changed = self._changed[kpi.part.id]
        whole = {key[0] for key in changed if key[1] == TOTAL}
        yield from (key for key in changed if key[1] == kpi.across)
        yield from (key for key in self._sums[kpi.part.id] if key[1] == kpi.across and key[0] in whole)

    def _value(self, kpi: Kpi, key: CellKey) -> float | None:
        match kpi:
            case Ratio():
                return self._ratio(kpi, key)
            case Share():
                parts = self._sums[kpi.part.id]
                return divided(parts[key].n, parts[(key[0], TOTAL, "", "")].n) if key in parts else None
            case Trailing():
                return self._trailing(kpi, key)
            case Coverage():
                return self._coverage(kpi, key)
            case Simple():
                return self._simple(kpi, key)
            case _:
                raise TypeError(f"no way to show {kpi.id}")

    def _simple(self, kpi: Simple, key: CellKey) -> float | None:
        found = self._sums[kpi.id].get(key)
        if found is None:
            return None
        if kpi.definition.kind == "duration":
            return divided(found.total, found.n * MICROSECONDS[kpi.definition.unit])
        value: float | None = simple_value(kpi, key[-1], found)["value"]
        return value

    def _ratio(self, kpi: Ratio, key: CellKey) -> float | None:
        parts = (kpi.numerator, kpi.denominator)
        above, below = (self._sums[part.id].get(_of_part(part, key)) for part in parts)
        if not any(found for part, found in zip(parts, (above, below), strict=True) if part.money == kpi.money):
            return None
        if above is None and _is_whole(kpi.denominator, key[1]):
            return None
        value: float | None = ratio_value(kpi, key[-1], above or NOTHING, below or NOTHING)["value"]
        return value

    def _trailing(self, kpi: Trailing, key: CellKey) -> float | None:
        """Whoever is active in a current period has a mean: 0 when the whole weeks before it were silent."""
        recent, active = self._sums[kpi.id].get(key), self._sums[kpi.of.id]
        if recent is None and not any((label, *key[1:]) in active for label in self._periods):
            return None
        return (recent or NOTHING).n / kpi.definition.weeks

    def _coverage(self, kpi: Coverage, key: CellKey) -> float | None:
        held, target = self._sums[kpi.stock.id].get(key), self._targets.get(Sample(kpi.reached.id, *key))
        if held is None or target is None:
            return None
        reached = amount(kpi.reached, key[-1], self._sums[kpi.reached.id].get(key, NOTHING).total)
        return amount(kpi.stock, key[-1], held.total) / (target - reached) if target > reached else None

    def _member(self, dimension: str, member: str) -> str:
        known = self._members.get(dimension)
        return member if not member or known is None or member in known else OTHER


def _is_whole(part: Simple, cut: str) -> bool:
    """Whether a part of a ratio does not know the dimension."""
    return cut != TOTAL and cut not in part.dimensions


def _of_part(part: Simple, key: CellKey) -> CellKey:
    """Where a part of a ratio has its sum: without currency where it is no money, and in total where it is whole."""
    label, cut, member, currency = key
    of = (TOTAL, "") if _is_whole(part, cut) else (cut, member)
    return (label, *of, currency if part.money else "")
