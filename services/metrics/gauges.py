"""KPI values for Prometheus: every KPI for the current periods, in total and by each single dimension.

One statement for each part of a KPI makes all its periods and dimensions at once (grouping sets).
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import asyncpg

from services.metrics.catalogue import Catalogue, Kpi, Ratio, Simple
from services.metrics.query import FROM, MICROSECONDS, Sql, Sum, column, divided, ratio_value, select, simple_value
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


async def kpi_samples(
    conn: asyncpg.Connection, catalogue: Catalogue, periods: Mapping[str, Period], members: Members
) -> dict[Sample, float]:
    """Every sample that has a value. `periods`: label -> days."""
    sums: dict[str, Cells] = {}
    for kpi in catalogue:
        if isinstance(kpi, Simple):
            sums[kpi.id] = await _sums(conn, kpi, periods, members)
    return dict(pair for kpi in catalogue for pair in _samples(kpi, sums))


def _samples(kpi: Kpi, sums: Mapping[str, Cells]) -> Iterator[tuple[Sample, float]]:
    for key, value in _values(kpi, sums):
        if value is not None:
            yield Sample(kpi.id, *key), float(value)


def _values(kpi: Kpi, sums: Mapping[str, Cells]) -> Iterator[tuple[CellKey, float | None]]:
    match kpi:
        case Ratio():
            above, below = sums[kpi.numerator.id], sums[kpi.denominator.id]
            for key, found in below.items():
                if key[1] == TOTAL or key[1] in kpi.dimensions:
                    yield key, ratio_value(kpi, key, above.get(key), found)["value"]
        case Simple() if kpi.definition.kind == "duration":
            for key, found in sums[kpi.id].items():
                yield key, divided(found.total, found.n * MICROSECONDS[kpi.definition.unit])
        case Simple():
            for key, found in sums[kpi.id].items():
                yield key, simple_value(kpi, key, found)["value"]


async def _sums(conn: asyncpg.Connection, kpi: Simple, periods: Mapping[str, Period], members: Members) -> Cells:
    dimensions = [d for d in GAUGE_DIMENSIONS if d in kpi.dimensions]
    currency = "d.currency" if kpi.money else "''::text"
    total = "sum(c.n * c.value::numeric)" if kpi.definition.kind == "duration" else "sum(c.total)"
    sql = Sql()
    labels = sql.parameter(list(periods))
    firsts, lasts = (
        sql.parameter([p.first for p in periods.values()]),
        sql.parameter([p.last for p in periods.values()]),
    )
    select(sql, kpi.measure)
    columns = [f"{column(d)} as by_{d}" for d in dimensions]
    sets = ["(period, currency)", *(f"(period, currency, by_{d})" for d in dimensions)]
    rows = await conn.fetch(
        f"""
        select period, currency, {"".join(f"by_{d}, grouping(by_{d}) as no_{d}, " for d in dimensions)}
               sum(n)::bigint as n, sum(total) as total
        from (
            select p.label as period, {currency} as currency, {"".join(f"{c}, " for c in columns)}
                   sum(c.n) as n, {total} as total
            {FROM}
            join unnest({labels}::text[], {firsts}::date[], {lasts}::date[]) as p(label, first, last)
              on c.day between p.first and p.last
            where {sql.where}
            group by p.label, {currency} {"".join(f", {column(d)}" for d in dimensions)}
        ) as recent
        group by grouping sets ({", ".join(sets)}) having sum(n) <> 0
        """,  # noqa: S608 (put together from our own words alone; values are parameters)
        *sql.parameters,
    )
    cells: Cells = {}
    for row in rows:
        cut = next((d for d in dimensions if not row[f"no_{d}"]), TOTAL)
        member = _member(cut, row[f"by_{cut}"], members) if cut != TOTAL else ""
        key = (row["period"], cut, member, row["currency"])
        held = cells.get(key, Sum(0, 0))
        cells[key] = Sum(held.n + row["n"], held.total + int(row["total"]))
    return cells


def _member(dimension: str, member: str, members: Members) -> str:
    known = members.get(dimension)
    return member if not member or known is None or member in known else OTHER
