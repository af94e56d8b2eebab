"""Answers questions from the cells, in one SQL statement for each part of a KPI."""

from typing import Any, NamedTuple

import asyncpg

from services.metrics.catalogue import Exclusion, Kpi, Measure, Ratio, Simple
from services.metrics.distribution import Distribution
from services.metrics.question import Question
from shared.money import major_units

MICROSECONDS = {"seconds": 1_000_000, "days": 86_400_000_000}

Key = tuple[str, ...]
"""Period, the values of `by`, and the currency of money."""
Row = dict[str, Any]


class Sum(NamedTuple):
    """What a selection of cells adds up to."""

    n: int
    total: int


class Sql:
    """Conditions and parameters of a statement that is being put together."""

    def __init__(self) -> None:
        self.parameters: list[object] = []
        self.conditions: list[str] = []

    def parameter(self, value: object) -> str:
        """The placeholder of a value."""
        self.parameters.append(value)
        return f"${len(self.parameters)}"

    def keep(self, condition: str) -> None:
        """One more condition."""
        self.conditions.append(condition)

    @property
    def where(self) -> str:
        return " and ".join(self.conditions)


FROM = """
from metrics.cells c
join metrics.dimensions d on d.id = c.dimensions
left join metrics.membership m on m.rep = d.rep and c.day >= m.from_day and c.day <= m.to_day
"""

DERIVED = {
    "team": "coalesce(m.team, '')",
    "hour": "lpad(c.hour::text, 2, '0')",
    "ampm": "case when c.hour < 12 then 'AM' else 'PM' end",
    "weekday": "extract(isodow from c.day)::int::text",
}


def column(dimension: str) -> str:
    """SQL of a dimension's value. Only for names that the catalogue has checked."""
    return DERIVED.get(dimension) or f"d.{dimension}"


def period(grain: str, fiscal_year_start: int) -> str:
    """SQL of the label of a cell's period."""
    if grain == "fiscal_year":
        return f"'FY' || extract(year from c.day - interval '{fiscal_year_start - 1} months')::int"
    return {
        "day": "to_char(c.day, 'YYYY-MM-DD')",
        "week": """to_char(c.day, 'IYYY-"W"IW')""",
        "month": "to_char(c.day, 'YYYY-MM')",
        "quarter": """to_char(c.day, 'YYYY-"Q"Q')""",
        "all": "'all'",
    }[grain]


def select(sql: Sql, measure: Measure) -> None:
    """Keep the facts of a measure."""
    sql.keep(f"d.name = {sql.parameter(measure.fact)}")
    for dimension, test in measure.tests:
        match test:
            case Exclusion():
                sql.keep(f"d.{dimension} <> all({sql.parameter(list(test.none_of))}::text[])")
            case str():
                sql.keep(f"d.{dimension} = {sql.parameter(test)}")
            case _:
                sql.keep(f"d.{dimension} = any({sql.parameter(list(test))}::text[])")
    if measure.money:
        sql.keep("d.currency <> ''")


async def answer(conn: asyncpg.Connection, question: Question, fiscal_year_start: int) -> list[Row]:
    """The rows of the contract, in order of period, `by` and currency."""
    match question.kpi:
        case Ratio() as kpi:
            above = await _sums(conn, kpi.numerator, question, fiscal_year_start)
            below = await _sums(conn, kpi.denominator, question, fiscal_year_start)
            found = {k: ratio_value(kpi, k, above.get(k), below.get(k)) for k in above.keys() | below.keys()}
        case Simple() as kpi if kpi.definition.kind == "duration":
            found = await _durations(conn, kpi, question, fiscal_year_start)
        case Simple() as kpi:
            sums = await _sums(conn, kpi, question, fiscal_year_start)
            found = {k: simple_value(kpi, k, v) for k, v in sums.items()}
    return [_named(question, key, found[key]) for key in sorted(found)]


def _named(question: Question, key: Key, values: Row) -> Row:
    names = ("period", *question.by)
    row: Row = dict(zip(names, key, strict=False))
    if question.kpi.money:
        row["currency"] = key[-1]
    return row | values


def simple_value(kpi: Simple, key: Key, found: Sum) -> Row:
    """Value of a count, sum or mean."""
    match kpi.definition.kind:
        case "count":
            return {"value": found.n}
        case "sum":
            return {"value": _amount(kpi, key, found.total)}
        case _:
            total = _amount(kpi, key, found.total)
            return {"value": divided(total, found.n), "numerator": total, "denominator": found.n}


def ratio_value(kpi: Ratio, key: Key, numerator: Sum | None, denominator: Sum | None) -> Row:
    """Value of a ratio; a part that has no facts is 0."""
    above = simple_value(kpi.numerator, key, numerator)["value"] if numerator else 0
    below = simple_value(kpi.denominator, key, denominator)["value"] if denominator else 0
    return {"value": divided(above, below), "numerator": above, "denominator": below}


def divided(above: float, below: float) -> float | None:
    """A quotient as it is answered: null where there is nothing to divide by."""
    return above / below if below else None


def _amount(kpi: Kpi, key: Key, total: int) -> int | float:
    """Seconds as they are, money in major units: a float prints the decimals of any real amount exactly."""
    if not kpi.money:
        return total
    amount = major_units(total, key[-1])
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def _cuts(question: Question, money: bool, fiscal_year_start: int) -> list[str]:
    cuts = [period(question.grain, fiscal_year_start), *(column(d) for d in question.by)]
    return [*cuts, "d.currency"] if money else cuts


def _selection(question: Question, measure: Measure) -> Sql:
    sql = Sql()
    select(sql, measure)
    if question.from_day:
        sql.keep(f"c.day >= {sql.parameter(question.from_day)}")
    if question.to_day:
        sql.keep(f"c.day <= {sql.parameter(question.to_day)}")
    for dimension, values in question.where:
        sql.keep(f"{column(dimension)} = any({sql.parameter(list(values))}::text[])")
    return sql


async def _sums(conn: asyncpg.Connection, kpi: Simple, question: Question, fiscal_year_start: int) -> dict[Key, Sum]:
    cuts = _cuts(question, kpi.money, fiscal_year_start)
    sql = _selection(question, kpi.measure)
    rows = await conn.fetch(
        f"""
        select {", ".join(cuts)}, sum(c.n)::bigint, sum(c.total) {FROM}
        where {sql.where}
        group by {", ".join(str(n) for n in range(1, len(cuts) + 1))} having sum(c.n) <> 0
        """,
        *sql.parameters,
    )
    return {tuple(row[: len(cuts)]): Sum(row[len(cuts)], int(row[len(cuts) + 1])) for row in rows}


async def _durations(
    conn: asyncpg.Connection, kpi: Simple, question: Question, fiscal_year_start: int
) -> dict[Key, Row]:
    cuts = [*_cuts(question, False, fiscal_year_start), "c.value"]
    sql = _selection(question, kpi.measure)
    rows = await conn.fetch(
        f"""
        select {", ".join(cuts)}, sum(c.n)::bigint {FROM}
        where {sql.where}
        group by {", ".join(str(n) for n in range(1, len(cuts) + 1))} having sum(c.n) <> 0
        """,
        *sql.parameters,
    )
    found: dict[Key, Distribution] = {}
    for row in rows:
        *key, value, n = row
        found.setdefault(tuple(key), Distribution()).add(value, n)
    unit = MICROSECONDS[kpi.definition.unit]
    return {key: distribution.described(unit) for key, distribution in found.items()}
