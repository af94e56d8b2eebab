"""SQL over cells, put together from names that the catalogue has checked; every value is a parameter."""

import functools
from datetime import date

import asyncpg

from services.metrics.catalogue.kpis import Exclusion, Measure
from services.metrics.contributions.kinds import as_of_event
from services.metrics.query.values import Sum, Sums
from services.metrics.question import Grain
from services.metrics.selection import Selection
from shared.periods import period_of

FROM = """
from {cells} c
join metrics.dimensions d on d.id = c.dimensions
"""
MEMBERSHIP = f"""
left join metrics.membership m on m.rep = d.rep
     and case when d.name in ('open_pipeline', '{as_of_event("open_pipeline")}')
              then date '0001-01-01' + c.value::int - 1 else c.day end
         between m.from_day and m.to_day
"""
"""The team of the day that `Fact.team_day` tells."""

ALSO = {"day": "c.day", "value": "c.value", "outcome": "d.outcome", "tier": "d.tier", "rank": "d.rank"}
DERIVED = {
    "team": "coalesce(m.team, '')",
    "hour": "lpad(c.hour::text, 2, '0')",
    "ampm": "case when c.hour < 12 then 'AM' else 'PM' end",
    "weekday": "extract(isodow from c.day)::int::text",
}


class Sql:
    """Conditions and parameters of a statement that is being put together."""

    def __init__(self) -> None:
        self.parameters: list[object] = []
        self._conditions: list[str] = []

    def parameter(self, value: object) -> str:
        """The placeholder of a value."""
        self.parameters.append(value)
        return f"${len(self.parameters)}"

    def keep(self, condition: str) -> None:
        """One more condition."""
        self._conditions.append(condition)

    @property
    def where(self) -> str:
        return " and ".join(self._conditions)

    def select(self, measure: Measure) -> None:
        """Keep the facts of a measure."""
        self.keep(f"d.name = {self.parameter(measure.fact)}")
        for dimension, test in measure.tests:
            match test:
                case Exclusion():
                    self.keep(f"d.{dimension} <> all({self.parameter(list(test.none_of))}::text[])")
                case str():
                    self.keep(f"d.{dimension} = {self.parameter(test)}")
                case _:
                    self.keep(f"d.{dimension} = any({self.parameter(list(test))}::text[])")
        if measure.money:
            self.keep("d.currency <> ''")

    def restrict(self, selection: Selection) -> None:
        """Keep the days and what `where` allows."""
        if selection.from_day:
            self.keep(f"c.day >= {self.parameter(selection.from_day)}")
        if selection.to_day:
            self.keep(f"c.day <= {self.parameter(selection.to_day)}")
        for dimension, values in selection.where:
            self.keep(f"{column(dimension)} = any({self.parameter(list(values))}::text[])")


def column(dimension: str) -> str:
    """SQL of a dimension's value."""
    return DERIVED.get(dimension) or f"d.{dimension}"


def period(grain: Grain, fiscal_year_start: int) -> str:
    """SQL of what tells a cell's period, cheaper than its label; `label` makes that of it."""
    if grain == "fiscal_year":
        return f"extract(year from c.day - interval '{fiscal_year_start - 1} months')::int"
    return {"day": "c.day", "all": "0"}.get(grain, f"date_trunc('{grain}', c.day::timestamp)::date")


def label(grain: Grain, told: date | int) -> str:
    """The label of a period, from what `period` told of it."""
    if isinstance(told, date):
        return period_of(told, grain).label
    return "all" if grain == "all" else f"FY{told:04}"


def statement(selection: Selection, fiscal_year_start: int, cells: str) -> tuple[str, list[object]]:
    """The statement that sums cells, and its parameters: what tells the period, the rest of the key, n and total."""
    sql = Sql()
    sql.select(selection.measure)
    sql.restrict(selection)
    cuts = [period(selection.grain, fiscal_year_start), *(column(d) for d in selection.by)]
    cuts += ["d.currency"] if selection.measure.money else []
    cuts += [ALSO[name] for name in selection.also]
    numbers = ", ".join(str(n) for n in range(1, len(cuts) + 1))
    # a join that is not needed costs as much again as the sums
    source = FROM.format(cells=cells) + (MEMBERSHIP if "team" in selection.dimensions else "")
    return (
        f"""
        select {", ".join(cuts)}, sum(c.n)::bigint, sum(c.total) {source}
        where {sql.where} group by {numbers} having sum(c.n) <> 0 or sum(c.total) <> 0
        """,
        sql.parameters,
    )


async def sums_of_cells(conn: asyncpg.Connection, selection: Selection, fiscal_year_start: int, cells: str) -> Sums:
    """Everything selected, summed; what comes to nothing is left out. `cells`: the table to take them from."""
    await make_room(conn)
    text, parameters = statement(selection, fiscal_year_start, cells)
    named = functools.cache(functools.partial(label, selection.grain))
    rows = await conn.fetch(text, *parameters)
    return {(named(told), *key): Sum(n, int(total)) for told, *key, n, total in rows}


async def make_room(conn: asyncpg.Connection) -> None:
    """Let this transaction sum in memory: PostgreSQL believes in more groups than there are, and would sort on disk."""
    await conn.execute("set local work_mem = '64MB'")
