"""kpis.yaml -> Catalogue, or an error with file, line and reason."""

from collections.abc import Mapping

import msgspec

from services.metrics.catalogue.check import Configured, check_definition
from services.metrics.catalogue.kpis import (
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
from services.metrics.contributions.kinds import FACTS, as_of_event
from services.metrics.contributions.rules import TIER
from shared.condition_check import Mistake
from shared.config import Config, ConfigError, Document


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kpis: tuple[Definition, ...]
    rank_fields: tuple[str, ...] = ()


def compile_catalogue(config: Config) -> Catalogue:
    """Check kpis.yaml and make it ready. Raises ConfigError."""
    document = config.kpis
    file = document.convert(_File)
    for n, field in enumerate(file.rank_fields):
        if field not in config.fields:
            raise document.error(("rank_fields", n), f"there is no field {field!r} in fields.yaml; add or correct it")
    configured = _configured(config)
    for n, (definition, written) in enumerate(zip(file.kpis, document.data["kpis"], strict=True)):
        mistakes = check_definition(definition, written, configured)
        document.refuse(Mistake(("kpis", n, *at), f"{definition.id}: {reason}") for at, reason in mistakes)
    return Catalogue(_Compiler(document, file.kpis).compile(), file.rank_fields)


def _configured(config: Config) -> Configured:
    """Values of dimensions that stages.yaml and fields.yaml know."""
    tiers = config.fields.get(TIER).choices if TIER in config.fields else ()
    return {"stage": [stage.id for stage in config.stages]} | ({"tier": ["", *tiers]} if tiers else {})


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
        match d.kind:
            case "ratio":
                above = self._part(d, "numerator", path, ("count", "sum", "points"))
                below = self._part(d, "denominator", path, ("count", "sum"))
                for dimension in d.numerator_dimensions:
                    if dimension not in above.dimensions:
                        raise self._wrong(d, "numerator_dimensions", f"{above.id} has no dimension {dimension!r}")
                self._check_unit(d, above.definition, below.definition)
                cuts = [x for x in above.dimensions if x in below.dimensions or x in d.numerator_dimensions]
                money = above.money or below.money
                if money and "currency" not in cuts:  # its rows have one, whichever part it is of
                    cuts.append("currency")
                return Ratio(d, tuple(cuts), money, above, below)
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
        name = str(tests.pop("name"))
        fact = FACTS[name]
        hours = () if fact.stock or fact.dated else TIME_DIMENSIONS
        money = d.unit == "money"
        stored = as_of_event(name) if d.as_of == "event" else name
        return Simple(d, (*fact.cuts, *hours), money, Measure(stored, tuple(tests.items()), money))

    def _check_unit(self, d: Definition, above: Definition, below: Definition) -> None:
        """A rate is a number, or as much of what the numerator is for each that the denominator counts."""
        fitting = ("ratio", *([above.unit] if below.unit == "count" else []))
        if d.unit not in fitting:
            reason = f"{above.unit} per {below.unit} has the unit {' or '.join(fitting)}, not {d.unit}"
            raise self._wrong(d, "unit", reason)

    def _wrong(self, d: Definition, key: str, reason: str) -> ConfigError:
        return self._error(self._index[d.id], key, f"{d.id}: {reason}")

    def _error(self, n: int, key: str, reason: str) -> ConfigError:
        return self._document.error(("kpis", n, key), reason)
