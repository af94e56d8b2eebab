"""SQL over cells, put together from names that the catalogue has checked; every value is a parameter."""

from collections.abc import Sequence

from services.metrics.catalogue import Exclusion, Measure
from services.metrics.question import Question

FROM = """
from {cells} c
join metrics.dimensions d on d.id = c.dimensions
left join metrics.membership m on m.rep = d.rep
     and case d.name when 'open_pipeline' then date '0001-01-01' + c.value::int - 1 else c.day end
         between m.from_day and m.to_day
"""
"""Cells with their dimensions, and the team of the day that `Fact.team_day` tells."""

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

    def restrict(self, question: Question) -> None:
        """Keep what the question's `where` allows."""
        for dimension, values in question.where:
            self.keep(f"{column(dimension)} = any({self.parameter(list(values))}::text[])")


def column(dimension: str) -> str:
    """SQL of a dimension's value."""
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


def grouped(cuts: Sequence[str], sums: str, sql: Sql, cells: str) -> str:
    """The statement that sums cells by the cuts; `cells`: the table to take them from."""
    numbers = ", ".join(str(n) for n in range(1, len(cuts) + 1))
    where = f"where {sql.where} group by {numbers} having sum(c.n) <> 0 or sum(c.total) <> 0"
    return f"select {', '.join(cuts)}, {sums} {FROM.format(cells=cells)} {where}"
