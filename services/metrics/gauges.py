"""KPI values for Prometheus: every KPI for the current periods, in total and by each single dimension.

One statement for each part of a KPI makes all its periods and dimensions at once (grouping sets).
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import NamedTuple

import asyncpg

from services.metrics.catalogue import Catalogue, Coverage, Kpi, Ratio, Share, Simple, Trailing
from services.metrics.query.sql import FROM, Sql, column
from services.metrics.query.values import MICROSECONDS, NOTHING, Sum, amount, divided, ratio_value, simple_value
from services.metrics.store import shown_cells
from shared.periods import Period

TOTAL = "total"
OTHER = "other"
GAUGE_DIMENSIONS = ("rep", "team", "segment", "channel", "hour")


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
"""For a duration `total` is in microseconds."""

Values = Iterator[tuple[CellKey, float | None]]


async def kpi_samples(
    conn: asyncpg.Connection,
    catalogue: Catalogue,
    periods: Mapping[str, Period],
    members: Members,
    targets: Mapping[Sample, float],
) -> dict[Sample, float]:
    """Every sample that has a value. `periods`: label -> days; the last day of `today` is today."""
    gauges = _Gauges(await shown_cells(conn), periods, members, targets)
    await gauges.load(conn, catalogue)
    return {
        Sample(kpi.id, *key): float(value)
        for kpi in catalogue
        for key, value in gauges.values(kpi)
        if value is not None and (key[1] == TOTAL or key[1] in kpi.dimensions)
    }


class _Gauges:
    def __init__(
        self, cells: str, periods: Mapping[str, Period], members: Members, targets: Mapping[Sample, float]
    ) -> None:
        self._cells = cells
        self._periods = periods
        self._today = periods["today"].last
        self._members = members
        self._targets = targets
        self._sums: dict[str, Cells] = {}

    async def load(self, conn: asyncpg.Connection, catalogue: Catalogue) -> None:
        """Get the sums of all parts."""
        for kpi in catalogue:
            match kpi:
                case Simple() if kpi.definition.kind == "stock":
                    self._sums[kpi.id] = await self._standing(conn, kpi, date.min, self._today)
                case Simple():
                    self._sums[kpi.id] = await self._fetch(conn, kpi, self._periods)
                case Trailing():
                    last = self._today - timedelta(days=self._today.isoweekday() % 7)
                    first = last - timedelta(days=7 * kpi.definition.weeks - 1)
                    self._sums[kpi.id] = await self._standing(conn, kpi.of, first, last)

    def values(self, kpi: Kpi) -> Values:
        """Value of a KPI in each cell."""
        match kpi:
            case Ratio():
                return self._ratios(kpi)
            case Share():
                return self._shares(kpi)
            case Coverage():
                return self._coverages(kpi)
            case Trailing():
                return self._trailing(kpi)
            case Simple() if kpi.definition.kind == "duration":
                unit = MICROSECONDS[kpi.definition.unit]
                return ((key, divided(found.total, found.n * unit)) for key, found in self._sums[kpi.id].items())
            case Simple():
                sums = self._sums[kpi.id].items()
                return ((key, simple_value(kpi, key[-1], found)["value"]) for key, found in sums)
            case _:
                raise TypeError(f"no way to show {kpi.id}")

    def _ratios(self, kpi: Ratio) -> Values:
        above, below = self._sums[kpi.numerator.id], self._sums[kpi.denominator.id]
        keys = above if kpi.numerator.money else below
        for key in keys:
            beside = key if kpi.denominator.money == kpi.numerator.money else (*key[:-1], "")
            found = ratio_value(kpi, key[-1], above.get(key, NOTHING), below.get(beside, NOTHING))
            yield key, found["value"]

    def _trailing(self, kpi: Trailing) -> Values:
        """Whoever is active in a current period has a mean: 0 when the whole weeks before it were silent."""
        recent = self._sums[kpi.id]
        active = {key[1:] for key in self._sums[kpi.of.id]}
        for key in recent.keys() | {(label, *rest) for label in self._periods for rest in active}:
            yield key, recent.get(key, NOTHING).n / kpi.definition.weeks

    def _shares(self, kpi: Share) -> Values:
        parts = self._sums[kpi.part.id]
        for key, found in parts.items():
            if key[1] == kpi.across:
                yield key, divided(found.n, parts[(key[0], TOTAL, "", "")].n)

    def _coverages(self, kpi: Coverage) -> Values:
        for key, held in self._sums[kpi.stock.id].items():
            target = self._targets.get(Sample(kpi.reached.id, *key))
            if target is not None:
                reached = amount(kpi.reached, key[-1], self._sums[kpi.reached.id].get(key, NOTHING).total)
                if target > reached:
                    yield key, amount(kpi.stock, key[-1], held.total) / (target - reached)

    async def _standing(self, conn: asyncpg.Connection, kpi: Simple, first: date, last: date) -> Cells:
        """What stands now is the same in every current period: all of them end today at the latest."""
        now = await self._fetch(conn, kpi, {"now": Period("now", first, last)})
        return {(label, *key[1:]): found for label in self._periods for key, found in now.items()}

    async def _fetch(self, conn: asyncpg.Connection, kpi: Simple, periods: Mapping[str, Period]) -> Cells:
        dimensions = [d for d in GAUGE_DIMENSIONS if d in kpi.dimensions]
        sql = Sql()
        statement = _statement(kpi, dimensions, periods, sql, self._cells)
        cells: Cells = {}
        for row in await conn.fetch(statement, *sql.parameters):
            cut = next((d for d in dimensions if not row[f"no_{d}"]), TOTAL)
            member = self._member(cut, row[f"by_{cut}"]) if cut != TOTAL else ""
            key = (row["period"], cut, member, row["currency"])
            held = cells.get(key, NOTHING)
            n, total = row["n"], int(row["total"])
            if kpi.definition.kind == "points":
                total = n * kpi.definition.points_of(row["tier"], row["rank"])
            cells[key] = Sum(held.n + n, held.total + total)
        return cells

    def _member(self, dimension: str, member: str) -> str:
        known = self._members.get(dimension)
        return member if not member or known is None or member in known else OTHER


def _statement(kpi: Simple, dimensions: Iterable[str], periods: Mapping[str, Period], sql: Sql, cells: str) -> str:
    """Sums per period and currency, and per these and each single dimension; `no_<dimension>` tells which."""
    currency = "d.currency" if kpi.money else "''::text"
    total = "sum(c.n * c.value::numeric)" if kpi.definition.kind == "duration" else "sum(c.total)"
    standing = ("d.tier", "d.rank") if kpi.definition.kind == "points" else ("''::text", "''::text")
    always = "period, currency, tier, rank"
    inner = ", ".join(("p.label", currency, *standing, *(column(d) for d in dimensions)))
    labels = sql.parameter(list(periods))
    firsts = sql.parameter([p.first for p in periods.values()])
    lasts = sql.parameter([p.last for p in periods.values()])
    sql.select(kpi.measure)
    return f"""
        select {always}, {"".join(f"by_{d}, grouping(by_{d}) as no_{d}, " for d in dimensions)}
               sum(n)::bigint as n, sum(total) as total
        from (
            select p.label as period, {currency} as currency, {standing[0]} as tier, {standing[1]} as rank,
                   {"".join(f"{column(d)} as by_{d}, " for d in dimensions)} sum(c.n) as n, {total} as total
            {FROM.format(cells=cells)}
            join unnest({labels}::text[], {firsts}::date[], {lasts}::date[]) as p(label, first, last)
              on c.day between p.first and p.last
            where {sql.where}
            group by {inner}
        ) as recent
        group by grouping sets ({", ".join([f"({always})", *(f"({always}, by_{d})" for d in dimensions)])})
        {"" if kpi.definition.kind == "stock" else "having sum(n) <> 0 or sum(total) <> 0"}
        """  # noqa: S608 (put together from our own words alone; values are parameters)
