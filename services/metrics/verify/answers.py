"""One statement for each question: KPI, grain and dimensions -> rows of a key and the measures.

Columns: `key, value, numerator, denominator, median, p90, n`. `key` is a list of texts: the period, each of `by`, and
for money the currency. Made from the entry of kpis.yaml alone: a KPI that is only YAML is counted like any other.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import msgspec

from services.metrics.verify.segments import quoted

DAY_US = 86_400_000_000
SECOND_US = 1_000_000
NONE = "null::double"
TIMES = {
    "hour": "strftime(local, '%H')",
    "ampm": "case when hour(local) < 12 then 'AM' else 'PM' end",
    "weekday": "isodow(local)::varchar",
}
"""Dimensions that follow from the time of facts that have an hour."""


class Kpi(msgspec.Struct, frozen=True):
    """What matters here of an entry of kpis.yaml. `facts`: `name`, and dimension -> value, values or {not: values}."""

    id: str
    unit: str
    kind: str
    facts: dict[str, Any] = {}
    numerator: str = ""
    denominator: str = ""
    of: str = ""
    across: str = ""
    weeks: int = 4
    points: dict[str, dict[str, int]] = {}
    as_of: str = ""

    @property
    def fact(self) -> str:
        """The table of the facts that it selects from, in `fact`."""
        name: str = self.facts["name"]
        return f"{name}_then" if self.as_of == "event" else name


class Answers:
    """Writes the statements. `columns`: kind of fact -> name -> type of each of its columns, known once counted."""

    def __init__(
        self, kpis: Mapping[str, Kpi], fiscal_year_start: int, columns: Mapping[str, Mapping[str, str]]
    ) -> None:
        self.kpis = kpis
        self._fiscal_year_start = fiscal_year_start
        self._columns = columns

    def sql(self, kpi_id: str, grain: str, by: Sequence[str], today: date) -> str:
        """The rows of a KPI. `today`: where stocks and trailing means end."""
        kpi = self.kpis[kpi_id]
        match kpi.kind:
            case "ratio":
                return self._ratio(kpi, grain, by)
            case "share":
                return self._share(kpi, grain, by)
            case "trailing":
                return self._trailing(kpi, grain, by, today)
            case "coverage":
                return self._coverage(kpi, grain, by, today)
            case "stock":
                return _rows(self._stock(kpi, grain, by, today), "amount")
            case "mean":
                return _rows(self._sums(kpi, grain, by), "total / n", "total", "n")
            case "duration":
                return self._duration(kpi, grain, by)
            case _:
                return _rows(self._sums(kpi, grain, by), "amount")

    def is_money(self, kpi: Kpi) -> bool:
        """Whether its rows are per currency."""
        if kpi.kind == "ratio":
            return self.is_money(self.kpis[kpi.numerator]) or self.is_money(self.kpis[kpi.denominator])
        return kpi.kind == "coverage" or (kpi.unit == "money" and kpi.kind not in ("share", "trailing"))

    # --- facts

    def _cut(self, kpi: Kpi, dimension: str) -> str:
        columns = self._columns[kpi.fact]
        if dimension == "team":
            day = "s.team_day" if "team_day" in columns else "s.local::date"
            return f"coalesce((select team from team t where t.rep = s.rep and {day} between t.first and t.last), '')"
        if dimension in TIMES:
            return TIMES[dimension]
        return f"coalesce(s.{dimension}, '')" if dimension in columns else "''"

    def _has(self, kpi: Kpi, dimension: str) -> bool:
        columns = self._columns[kpi.fact]
        if dimension in TIMES:
            return columns["local"] == "TIMESTAMP"
        return ("rep" if dimension == "team" else dimension) in columns

    def _period(self, grain: str) -> str:
        return {
            "day": "strftime(local, '%Y-%m-%d')",
            "week": "strftime(local, '%G-W%V')",
            "month": "strftime(local, '%Y-%m')",
            "quarter": "strftime(local, '%Y') || '-Q' || quarter(local)",
            "fiscal_year": f"'FY' || strftime(local - interval {self._fiscal_year_start - 1} months, '%Y')",
            "all": "'all'",
        }[grain]

    def _selected(self, kpi: Kpi) -> str:
        """`from ... where ...` of the facts that the KPI selects."""
        tests = [self._passes(kpi, d, wanted) for d, wanted in kpi.facts.items() if d != "name"]
        if self.is_money(kpi):
            tests.append(f"{self._cut(kpi, 'currency')} <> ''")
        return f"from fact.{kpi.fact} s where {' and '.join(tests) or 'true'}"

    def _passes(self, kpi: Kpi, dimension: str, wanted: Any) -> str:
        match wanted:
            case {"not": values}:
                operator = "not in"
            case str():
                operator, values = "in", [wanted]
            case _:
                operator, values = "in", wanted
        return f"{self._cut(kpi, dimension)} {operator} ({', '.join(quoted(str(v)) for v in values)})"

    def _key(self, kpi: Kpi, by: Sequence[str], *first: str) -> str:
        cuts = [*first, *(self._cut(kpi, d) for d in by), *([self._cut(kpi, "currency")] if self.is_money(kpi) else [])]
        return f"[{', '.join(cuts)}]::varchar[]"

    def _sums(self, kpi: Kpi, grain: str, by: Sequence[str]) -> str:
        """key, n, total (money in major units) and amount: what the KPI itself adds up."""
        key = self._key(kpi, by, self._period(grain))
        summed = (
            f"select {key} as key, sum(n) as n, {self._total(kpi)} as raw {self._selected(kpi)} "
            "group by 1 having sum(n) <> 0 or sum(total) <> 0"
        )
        total = "major(raw, key[-1])" if self.is_money(kpi) else "raw"
        amount = total if kpi.kind in ("sum", "points") else "n"
        return f"select key, n, {total} as total, {amount} as amount from ({summed})"

    def _total(self, kpi: Kpi) -> str:
        if kpi.kind == "points":
            cases = "".join(
                f" when {self._cut(kpi, 'tier')} = {quoted(str(tier))}"
                f" and {self._cut(kpi, 'rank')} = {quoted(str(rank))} then {points}"
                for tier, ranks in kpi.points.items()
                for rank, points in ranks.items()
            )
            return f"sum(n * case{cases} else 0 end)"
        return "sum(total)"

    # --- kinds

    def _duration(self, kpi: Kpi, grain: str, by: Sequence[str]) -> str:
        unit = DAY_US if kpi.unit == "days" else SECOND_US
        key = self._key(kpi, by, self._period(grain))
        spread = (
            f"avg(took) / {unit} as value, {NONE} as numerator, {NONE} as denominator, "
            f"median(took) / {unit} as median, quantile_cont(took::double, 0.9) / {unit} as p90, sum(n)::double as n"
        )
        return f"select {key} as key, {spread} {self._selected(kpi)} group by 1"

    def _ratio(self, kpi: Kpi, grain: str, by: Sequence[str]) -> str:
        """What does not know a dimension, or currencies, stands whole beside each of the other's rows."""
        above, below = self.kpis[kpi.numerator], self.kpis[kpi.denominator]
        known = [d for d in by if self._has(below, d)]
        kept = [1, *(n for n, d in enumerate(by, 2) if d in known)]
        over, under = self._sums(above, grain, by), self._sums(below, grain, known)
        if self.is_money(below) and not self.is_money(above):
            over = (
                f"select list_append(c.key, m.key[-1]) as key, c.amount from ({over}) c join ({under}) m "
                f"on m.key[1:{len(kept)}] = [{', '.join(f'c.key[{n}]' for n in kept)}]"
            )
        if self.is_money(below):
            kept.append(len(by) + 2)
        whole = len(kept) == 1 + len(by) + self.is_money(kpi)
        below_key = "a.key" if whole else f"[{', '.join(f'a.key[{n}]' for n in kept)}]"
        joined = (
            f"select coalesce(a.key, b.key) as key, coalesce(a.amount, 0) as above, coalesce(b.amount, 0) as below "
            f"from ({over}) a {'full' if whole else 'left'} join ({under}) b on b.key = {below_key}"
        )
        return _rows(joined, "above / nullif(below, 0)", "above", "below")

    def _share(self, kpi: Kpi, grain: str, by: Sequence[str]) -> str:
        part = self.kpis[kpi.of]
        rest = [d for d in by if d != kpi.across]
        rest_key = ", ".join(["a.key[1]", *(f"a.key[{n}]" for n, d in enumerate(by, 2) if d != kpi.across)])
        joined = (
            f"select a.key, a.n as above, b.n as below from ({self._sums(part, grain, by)}) a "
            f"join ({self._sums(part, grain, rest)}) b on b.key = [{rest_key}]"
        )
        return _rows(joined, "above / nullif(below, 0)", "above", "below")

    def _daily(self, kpi: Kpi, by: Sequence[str], today: date) -> str:
        """What each day added (key without a period), and each period's last day from each key's first."""
        select = f"select local::date as day, {self._key(kpi, by)} as key, sum(n) as n, sum(total) as total"
        until = f"local::date <= date '{today}'"
        return (
            f"daily as ({select} {self._selected(kpi)} and {until} group by 1, 2), "
            "first as (select key, min(day) as first from daily group by key), "
        )

    def _ends(self, grain: str, today: date) -> str:
        """Each period from the first day on, and the day at whose end it is looked at."""
        calendar = (
            "select unnest(generate_series((select min(day)::timestamp from daily), "
            f"timestamp '{today}', interval 1 day)) as local"
        )
        return (
            f"ending as (select {self._period(grain)} as label, max(local)::date as day "
            f"from ({calendar}) group by 1), "
            "grid as (select f.key, e.label, e.day from first f join ending e on e.day >= f.first)"
        )

    def _stock(self, kpi: Kpi, grain: str, by: Sequence[str], today: date) -> str:
        """What stands at the end of each period, of or today, whichever is first."""
        amount = "major(s.total, g.key[-1])" if self.is_money(kpi) else "s.n"
        return (
            f"with {self._daily(kpi, by, today)}{self._ends(grain, today)}, "
            "standing as (select key, day, sum(n) over so_far as n, sum(total) over so_far as total from daily "
            "window so_far as (partition by key order by day)) "
            f"select list_prepend(g.label, g.key) as key, {amount} as amount "
            "from grid g asof join standing s on s.key = g.key and g.day >= s.day"
        )

    def _trailing(self, kpi: Kpi, grain: str, by: Sequence[str], today: date) -> str:
        """Mean per week over the last whole ISO weeks that ended on or before the period's end."""
        weeks = kpi.weeks
        joined = (
            f"with {self._daily(self.kpis[kpi.of], by, today)}{self._ends(grain, today)} "
            "select list_prepend(g.label, g.key) as key, coalesce(sum(d.n), 0) as above from grid g "
            "left join daily d on d.key = g.key and d.day <= g.day - isodow(g.day)::int % 7 "
            f"and d.day > g.day - isodow(g.day)::int % 7 - {7 * weeks} group by g.label, g.key"
        )
        return _rows(joined, f"above / {weeks}", "above", str(weeks))

    def _coverage(self, kpi: Kpi, grain: str, by: Sequence[str], today: date) -> str:
        """A stock per what is missing to a target: of all, or of one member (as rep or as owner), team or segment."""
        stock, reached = self.kpis[kpi.numerator], self.kpis[kpi.denominator]
        cut = [d for d in by if d != "currency"]
        if len(cut) > 1:
            target = "join (select null::double as value) t on true"
        else:
            member = f"s.key[{2 + list(by).index(cut[0])}]" if cut else "''"
            whose = {"owner": "rep"}.get(cut[0], cut[0]) if cut else ""
            target = (
                f"left join target t on t.kpi = {quoted(reached.id)} and t.period = s.key[1] "
                f"and t.currency = s.key[-1] and t.dimension = {quoted(whose)} and t.member = {member}"
            )
        joined = (
            "select s.key, s.amount as above, t.value - coalesce(r.amount, 0) as below "
            f"from ({self._stock(stock, grain, by, today)}) s "
            f"left join ({self._sums(reached, grain, by)}) r on r.key = s.key {target}"
        )
        return _rows(joined, "case when below > 0 then above / below end", "above", "below")


def _rows(select: str, value: str, numerator: str = NONE, denominator: str = NONE) -> str:
    return (
        f"select key, ({value})::double as value, ({numerator})::double as numerator, "
        f"({denominator})::double as denominator, {NONE} as median, {NONE} as p90, {NONE} as n from ({select})"
    )
