"""What the gauges are made of: which facts on which days, and the statement that adds them up."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from services.metrics.catalogue.kpis import Catalogue, Simple, Trailing
from services.metrics.contributions.facts import Dimensions
from services.metrics.contributions.kinds import FACTS, kind_of
from services.metrics.query.sql import FROM, MEMBERSHIP, Sql, column
from services.metrics.query.values import Sum
from shared.periods import Period

GAUGE_DIMENSIONS = ("rep", "team", "segment", "channel", "hour")


class Window(NamedTuple):
    """Days, both ends inclusive, that are summed, and the periods that show this sum."""

    first: date
    last: date
    periods: tuple[str, ...]


class Source(NamedTuple):
    """What is summed for a KPI: facts of `of` in some windows."""

    id: str
    of: Simple
    windows: tuple[Window, ...]

    @property
    def stands(self) -> bool:
        """Whether it is a stock, which has a value when nothing is left of it, too."""
        return self.of.definition.kind == "stock"

    def facts(self, dimensions: Dimensions, n: int) -> int:
        """How many more facts a sum of what stands is made of: what was never there, as when it turns out to be
        another member's, leaves none. Of contracts that cannot be told, since nothing tells their ends from them."""
        return {"opened": n, "closed": -n}.get(dimensions.outcome, 1)

    def added(self, dimensions: Dimensions, added: Sum, measured: int) -> Sum:
        """What facts add to a sum. measured: their measured values, each as often as there are facts of it."""
        match self.of.definition.kind:
            case "duration":
                return Sum(added.n, measured)
            case "points":
                return Sum(added.n, added.n * self.of.definition.points_of(dimensions.tier, dimensions.rank))
            case _:
                return added


def sources_of(catalogue: Catalogue, periods: Mapping[str, Period]) -> Iterator[Source]:
    """What stands now is the same in every current period: all of them end today at the latest."""
    today, all_periods = periods["today"].last, tuple(periods)
    each = tuple(Window(p.first, p.last, (label,)) for label, p in periods.items())
    for kpi in catalogue:
        match kpi:
            case Simple() if kpi.definition.kind == "stock":
                yield Source(kpi.id, kpi, (Window(date.min, today, all_periods),))
            case Simple():
                yield Source(kpi.id, kpi, each)
            case Trailing():
                last = today - timedelta(days=today.isoweekday() % 7)
                first = last - timedelta(days=7 * kpi.definition.weeks - 1)
                yield Source(kpi.id, kpi.of, (Window(first, last, all_periods),))


class Statement:
    """Adds up all facts of a kind, in stretches of days that lie wholly inside or outside of each window.

    starts: first day of each stretch, and the day after the last. told: dimensions by which sources select. cuts:
    dimensions of which each row has one, or none.
    """

    def __init__(self, fact: str, sources: Sequence[Source]) -> None:
        windows = [window for source in sources for window in source.windows]
        after = (w.last + timedelta(days=1) for w in windows if w.last < date.max)
        self.starts = sorted({w.first for w in windows}.union(after))
        self.told = sorted({name for source in sources for name in _told(source)})
        self.cuts = [d for d in GAUGE_DIMENSIONS if any(d in source.of.dimensions for source in sources)]
        self._last = max(w.last for w in windows)
        self._fact = fact

    def text(self, cells: str) -> tuple[str, list[object]]:
        """SQL and its parameters. `no_<dimension>` is 0 in the rows that are cut by it."""
        sql = Sql()
        starts = sql.parameter(self.starts)
        sql.keep(f"d.name = {sql.parameter(self._fact)}")
        sql.keep(f"c.day between {sql.parameter(self.starts[0])} and {sql.parameter(self._last)}")
        source = FROM.format(cells=cells) + (MEMBERSHIP if "team" in self.cuts else "")
        always = ", ".join(("stretch", *(f"of_{name}" for name in self.told)))
        each = _listed(f"of_{name}, " for name in self.told) + _listed(f"by_{d}, " for d in self.cuts)
        measured = "c.n * c.value::numeric" if FACTS[kind_of(self._fact)].measured else "0"
        return (
            f"""
            select stretch, {each} {_listed(f"grouping(by_{d}) as no_{d}, " for d in self.cuts)}
                   sum(n)::bigint as n, sum(total) as total, sum(measured) as measured
            from (
                select width_bucket(c.day, {starts}::date[]) as stretch,
                       {_listed(f"d.{name} as of_{name}, " for name in self.told)}
                       {_listed(f"{column(d)} as by_{d}, " for d in self.cuts)}
                       c.n, c.total, {measured} as measured
                {source} where {sql.where}
            ) as facts
            group by grouping sets ({", ".join([f"({always})", *(f"({always}, by_{d})" for d in self.cuts)])})
            """,  # noqa: S608 (put together from our own words alone; values are parameters)
            sql.parameters,
        )


_listed: Callable[[Iterable[str]], str] = "".join


def _told(source: Source) -> set[str]:
    tested = {dimension for dimension, _ in source.of.measure.tests}
    money = {"currency"} if source.of.money else set()
    own = {"points": {"tier", "rank"}, "stock": {"outcome"}}.get(source.of.definition.kind, set())
    return tested | money | own
