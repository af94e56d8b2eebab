"""kpis.yaml -> Catalogue, or an error with file, line and reason."""

from collections.abc import Mapping

import msgspec

from services.metrics.catalogue import (
    DATED_FACTS,
    FACT_DIMENSIONS,
    MEASURED_FACTS,
    STOCK_FACTS,
    TIME_DIMENSIONS,
    Catalogue,
    Coverage,
    Definition,
    Kpi,
    Measure,
    Ratio,
    Share,
    Simple,
    Trailing,
)
from services.metrics.contributions.facts import Dimensions
from shared.config.document import Document
from shared.config.errors import ConfigError
from shared.fields import FieldRegistry


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kpis: tuple[Definition, ...]
    rank_fields: tuple[str, ...] = ()


def compile_catalogue(document: Document, registry: FieldRegistry) -> Catalogue:
    """Check kpis.yaml and make it ready. Raises ConfigError."""
    file = document.convert(_File)
    for n, field in enumerate(file.rank_fields):
        if field not in registry:
            raise document.error(("rank_fields", n), f"there is no field {field!r} in fields.yaml; add or correct it")
    return Catalogue(_Compiler(document, file.kpis).compile(), file.rank_fields)


class _Compiler:
    def __init__(self, document: Document, definitions: tuple[Definition, ...]) -> None:
        self._document = document
        self._index: dict[str, int] = {}
        for n, definition in enumerate(definitions):
            if definition.id in self._index:
                raise self._error(n, "id", f"the id {definition.id} is taken already; choose another")
            self._index[definition.id] = n
        self._definitions: Mapping[str, Definition] = {d.id: d for d in definitions}
        self._done: dict[str, Kpi] = {}

    def compile(self) -> list[Kpi]:
        return [self._kpi(kpi_id, ()) for kpi_id in self._definitions]

    def _kpi(self, kpi_id: str, path: tuple[str, ...]) -> Kpi:
        if kpi_id in path:
            chain = " -> ".join((*path, kpi_id))
            raise self._error(self._index[kpi_id], "kind", f"the KPI is made of itself ({chain}); break the circle")
        if kpi_id not in self._done:
            self._done[kpi_id] = self._made(self._definitions[kpi_id], (*path, kpi_id))
        return self._done[kpi_id]

    def _made(self, d: Definition, path: tuple[str, ...]) -> Kpi:
        if d.kind in ("ratio", "share", "trailing", "coverage") and d.facts:
            raise self._wrong(d, "facts", f"a {d.kind} has no `facts` of its own; its parts have")
        match d.kind:
            case "ratio":
                above = self._part(d, "numerator", path, ("count", "sum", "points"))
                below = self._part(d, "denominator", path, ("count", "sum"))
                for dimension in d.numerator_dimensions:
                    if dimension not in above.dimensions:
                        raise self._wrong(d, "numerator_dimensions", f"{above.id} has no dimension {dimension!r}")
                both = tuple(x for x in above.dimensions if x in below.dimensions or x in d.numerator_dimensions)
                return Ratio(d, both, above.money or below.money, above, below)
            case "share":
                part = self._part(d, "of", path, ("count",))
                if d.across not in part.dimensions:
                    known = ", ".join(part.dimensions)
                    raise self._wrong(d, "across", f"`across` must be a dimension of {part.id}: {known}")
                return Share(d, part.dimensions, False, part, d.across)
            case "trailing":
                of = self._part(d, "of", path, ("count",))
                return Trailing(d, tuple(x for x in of.dimensions if x not in TIME_DIMENSIONS), False, of)
            case "coverage":
                stock = self._part(d, "numerator", path, ("stock",))
                reached = self._part(d, "denominator", path, ("sum",))
                if not (stock.money and reached.money):
                    raise self._wrong(d, "numerator", "the parts of a coverage must both be money")
                both = tuple(x for x in stock.dimensions if x in reached.dimensions)
                return Coverage(d, both, True, stock, reached)
            case _:
                return self._simple(d)

    def _part(self, d: Definition, role: str, path: tuple[str, ...], kinds: tuple[str, ...]) -> Simple:
        name = getattr(d, role)
        if name not in self._definitions:
            raise self._wrong(d, role, f"`{role}` must name a KPI of this file, not {name!r}")
        part = self._kpi(name, path)
        if not isinstance(part, Simple) or part.definition.kind not in kinds:
            raise self._wrong(d, role, f"`{role}` must be a KPI of kind {' or '.join(kinds)}, which {name} is not")
        return part

    def _simple(self, d: Definition) -> Simple:
        tests = dict(d.facts)
        fact = tests.pop("name", None)
        if not isinstance(fact, str) or fact not in FACT_DIMENSIONS:
            raise self._wrong(d, "facts", f"`facts.name` must be one of {', '.join(FACT_DIMENSIONS)}")
        for dimension in tests:
            if dimension not in Dimensions._fields:
                known = ", ".join(Dimensions._fields[1:])
                raise self._wrong(d, "facts", f"facts have no {dimension!r}; they have {known}")
        if (d.kind == "duration") != (fact in MEASURED_FACTS and d.unit in ("days", "seconds")):
            raise self._wrong(d, "kind", f"a duration needs facts that measure a time: {', '.join(MEASURED_FACTS)}")
        if (d.kind == "stock") != (fact in STOCK_FACTS):
            raise self._wrong(d, "kind", f"a stock needs facts that come and go: {', '.join(STOCK_FACTS)}")
        if (d.kind == "points") != (fact == "appointment" and bool(d.points)):
            raise self._wrong(d, "kind", "points need appointment facts and a table `points`")
        hours = () if d.kind == "stock" or fact in DATED_FACTS else TIME_DIMENSIONS
        money = d.unit == "money"
        measure = Measure(fact, tuple(tests.items()), money)
        return Simple(d, (*FACT_DIMENSIONS[fact], *hours), money, measure)

    def _wrong(self, d: Definition, key: str, reason: str) -> ConfigError:
        return self._error(self._index[d.id], key, f"{d.id}: {reason}")

    def _error(self, n: int, key: str, reason: str) -> ConfigError:
        return self._document.error(("kpis", n, key), reason)
