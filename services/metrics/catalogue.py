"""The KPI catalogue: definitions as data (config/kpis.yaml), checked, and made into what a query can sum.

A KPI selects facts and says what to make of them. Kinds: `count` (how many), `sum` (seconds or money), `mean` (sum per
fact), `duration` (mean, median, p90 and n of a measured time), `ratio` (one KPI per another). A new KPI of these kinds
is YAML alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Literal

import msgspec

from services.metrics.contributions.facts import Dimensions
from shared.config.document import Document
from shared.config.errors import ConfigError
from shared.words import Words

Kind = Literal["count", "sum", "mean", "duration", "ratio"]
Unit = Literal["count", "seconds", "days", "ratio", "money", "points"]

FACT_DIMENSIONS: dict[str, tuple[str, ...]] = {
    "activity": ("rep", "team", "channel", "segment", "campaign", "industry", "source"),
    "second_call": ("rep", "team", "channel", "segment", "campaign", "industry", "source"),
    "lead": ("segment", "campaign", "industry", "source"),
    "handoff": ("rep", "team", "owner", "segment", "campaign", "industry", "source"),
    "stage_entry": ("segment", "campaign", "industry", "stage", "source"),
    "opportunity": ("rep", "team", "owner", "segment", "campaign", "industry", "source", "product", "currency"),
    "close": ("rep", "team", "owner", "segment", "campaign", "industry", "source", "product", "currency"),
    "sales_cycle": ("rep", "team", "owner", "segment", "campaign", "industry", "source", "product"),
}
"""Dimensions that a KPI over each fact may be cut by; those of time (TIME_DIMENSIONS) always may."""

TIME_DIMENSIONS = ("hour", "ampm", "weekday")
ALL_DIMENSIONS = (*dict.fromkeys(d for dims in FACT_DIMENSIONS.values() for d in dims), *TIME_DIMENSIONS)


class Exclusion(msgspec.Struct, frozen=True, rename={"none_of": "not"}, forbid_unknown_fields=True):
    """Any value but these."""

    none_of: tuple[str, ...]


Test = str | tuple[str, ...] | Exclusion


class Definition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of kpis.yaml. `facts`: the fact's name and what its dimensions must be."""

    id: Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_]{0,63}$")]
    name: Words
    definition: Words
    purpose: Words
    unit: Unit
    class_: Literal["activity", "result", "efficiency"] = msgspec.field(name="class")
    kind: Kind
    owner: str
    good: Literal["up", "down", "neither"]
    facts: dict[str, Test] = {}
    numerator: str | None = None
    denominator: str | None = None


class Kpis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """kpis.yaml as a whole."""

    kpis: tuple[Definition, ...]


class Measure(msgspec.Struct, frozen=True):
    """A selection of facts: those named `fact` whose dimensions pass all tests."""

    fact: str
    tests: tuple[tuple[str, Test], ...]
    money: bool


class Kpi(msgspec.Struct, frozen=True):
    """A KPI ready to be asked for. `money`: its rows are per currency."""

    definition: Definition
    dimensions: tuple[str, ...]
    money: bool

    @property
    def id(self) -> str:
        return self.definition.id


class Simple(Kpi, frozen=True):
    """A KPI made of facts."""

    measure: Measure


class Ratio(Kpi, frozen=True):
    """One KPI per another."""

    numerator: Simple
    denominator: Simple


class Catalogue:
    """All KPIs by id, in the order of kpis.yaml."""

    def __init__(self, kpis: Iterable[Kpi]) -> None:
        self._kpis = {kpi.id: kpi for kpi in kpis}

    def __iter__(self) -> Iterator[Kpi]:
        return iter(self._kpis.values())

    def get(self, kpi_id: str) -> Kpi | None:
        """The KPI, or None when there is none of this id."""
        return self._kpis.get(kpi_id)


def compile_catalogue(document: Document) -> Catalogue:
    """Check kpis.yaml and make it ready. Raises ConfigError with file, line and reason."""
    return Catalogue(_Compiler(document).compile())


class _Compiler:
    def __init__(self, document: Document) -> None:
        self._document = document
        definitions = document.convert(Kpis).kpis
        self._index: dict[str, int] = {}
        for n, definition in enumerate(definitions):
            if definition.id in self._index:
                raise self._error(n, f"the id {definition.id} is taken already", "id")
            self._index[definition.id] = n
        self._definitions: Mapping[str, Definition] = {d.id: d for d in definitions}
        self._done: dict[str, Kpi] = {}

    def compile(self) -> list[Kpi]:
        return [self._kpi(kpi_id, ()) for kpi_id in self._definitions]

    def _kpi(self, kpi_id: str, path: tuple[str, ...]) -> Kpi:
        if kpi_id in self._done:
            return self._done[kpi_id]
        definition, n = self._definitions[kpi_id], self._index[kpi_id]
        if kpi_id in path:
            raise self._error(n, f"is a ratio of itself ({' -> '.join((*path, kpi_id))})", "kind")
        kpi = self._ratio(definition, n, path) if definition.kind == "ratio" else self._simple(definition, n)
        self._done[kpi_id] = kpi
        return kpi

    def _ratio(self, definition: Definition, n: int, path: tuple[str, ...]) -> Ratio:
        above = self._part(definition, n, "numerator", path)
        below = self._part(definition, n, "denominator", path)
        if definition.facts:
            raise self._error(n, "a ratio has no `facts` of its own; its parts have", "facts")
        shared = tuple(d for d in above.dimensions if d in below.dimensions)
        return Ratio(definition, shared, above.money or below.money, above, below)

    def _part(self, definition: Definition, n: int, role: str, path: tuple[str, ...]) -> Simple:
        name = getattr(definition, role)
        if name not in self._definitions:
            raise self._error(n, f"`{role}` must name a KPI of this file, not {name!r}", role)
        part = self._kpi(name, (*path, definition.id))
        if not isinstance(part, Simple) or part.definition.kind not in ("count", "sum"):
            raise self._error(n, f"`{role}` must be a count or a sum", role)
        return part

    def _simple(self, definition: Definition, n: int) -> Simple:
        tests = dict(definition.facts)
        fact = tests.pop("name", None)
        if not isinstance(fact, str) or fact not in FACT_DIMENSIONS:
            raise self._error(n, f"`facts.name` must be one of {', '.join(FACT_DIMENSIONS)}", "facts")
        for dimension in tests:
            if dimension not in Dimensions._fields:
                raise self._error(n, f"facts have no {dimension!r}; they have {', '.join(Dimensions._fields)}", "facts")
        if definition.kind == "duration" and fact != "sales_cycle":
            raise self._error(n, "a duration needs facts that measure a time: sales_cycle", "facts")
        money = definition.unit == "money"
        measure = Measure(fact, tuple(tests.items()), money)
        return Simple(definition, (*FACT_DIMENSIONS[fact], *TIME_DIMENSIONS), money, measure)

    def _error(self, n: int, reason: str, key: str) -> ConfigError:
        return self._document.error(("kpis", n, key), reason)
