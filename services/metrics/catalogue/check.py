"""Whether a definition of kpis.yaml makes sense by itself: slips that would load, and then answer 0 or nonsense."""

from collections.abc import Callable, Collection, Iterator, Mapping

from services.metrics.catalogue.kpis import Definition, Exclusion, Kind, Test, Unit, passes
from services.metrics.contributions.kinds import FACTS, RANKS, FactKind, Values
from shared.condition_check import Mistake

KEYS: Mapping[Kind, tuple[str, ...]] = {
    "count": ("facts", "as_of"),
    "sum": ("facts", "as_of"),
    "mean": ("facts", "as_of"),
    "points": ("facts", "points", "as_of"),
    "duration": ("facts", "as_of"),
    "stock": ("facts", "as_of"),
    "ratio": ("numerator", "denominator", "numerator_dimensions"),
    "share": ("of", "across"),
    "trailing": ("of", "weeks"),
    "coverage": ("numerator", "denominator"),
}
"""What a KPI of each kind is made of."""
UNITS: Mapping[Kind, tuple[Unit, ...]] = {
    "count": ("count",),
    "sum": ("seconds", "money"),
    "mean": ("seconds", "money"),
    "points": ("points",),
    "duration": ("seconds", "days"),
    "stock": ("count", "money"),
    "ratio": ("ratio", "count", "seconds", "money", "points"),
    "share": ("ratio",),
    "trailing": ("count",),
    "coverage": ("ratio",),
}
LISTED = 20
"""Of more possible values than these none are told: nobody reads all currencies."""

Configured = Mapping[str, Collection[str]]
"""Dimension -> the values that other files of the configuration give it."""


def check_definition(d: Definition, written: Collection[str], configured: Configured) -> Iterator[Mistake]:
    """Every mistake that needs no look at other KPIs. `written`: the keys of the entry."""
    for part in ("name", "definition", "purpose"):
        for language in ("ja", "en"):
            if not getattr(getattr(d, part), language).strip():
                yield Mistake((part, language), f"the {part} in `{language}` is blank; say it in words")
    own = KEYS[d.kind]
    for key in written:
        if key not in own and any(key in keys for keys in KEYS.values()):
            yield Mistake((key,), f"a {d.kind} has no `{key}`; it is made of {', '.join(f'`{k}`' for k in own)}")
    if d.unit not in UNITS[d.kind]:
        yield Mistake(("unit",), f"the unit of a {d.kind} is {' or '.join(UNITS[d.kind])}, not {d.unit}")
    if "facts" in own:
        yield from _check_facts(d, configured)


def _check_facts(d: Definition, configured: Configured) -> Iterator[Mistake]:
    name = d.facts.get("name")
    if not isinstance(name, str) or name not in FACTS:
        yield Mistake(("facts",), f"`facts.name` must be one of {', '.join(FACTS)}")
        return
    fact = FACTS[name]
    for dimension, test in d.facts.items():
        if dimension != "name":
            yield from _check_test(name, dimension, test, configured)
    if not any(_may_pass(d.facts, {**fact.dimensions, **form}) for form in fact.forms):
        each = "; or ".join(", ".join(f"{of} {_or(values)}" for of, values in form.items()) for form in fact.forms)
        together = f"; together go {each}" if each else ""
        yield Mistake(("facts",), f"there are no {name} facts that pass all of this{together}")
    if d.kind == "duration" and not fact.measured:
        measured = _those(lambda fact: fact.measured)
        yield Mistake(("kind",), f"a duration needs facts that measure a time: {measured}")
    if (d.kind == "stock") != fact.stock:
        yield Mistake(("kind",), f"a stock needs facts that come and go: {_those(lambda fact: fact.stock)}")
    if d.kind in ("sum", "mean", "stock") and d.unit != "count" and d.unit != fact.total:
        having = _those(lambda fact: fact.total == d.unit)
        yield Mistake(("unit",), f"{name} facts have no {d.unit} to add up; these have: {having}")
    if d.as_of and "segment" not in fact.dimensions:
        yield Mistake(("as_of",), f"{name} facts are of no lead, so nothing about them becomes known later; remove it")
    if d.kind == "points":
        yield from _check_points(d, fact, configured)


def _check_test(name: str, dimension: str, test: Test, configured: Configured) -> Iterator[Mistake]:
    at = ("facts", dimension)
    dimensions = FACTS[name].dimensions
    if dimension not in dimensions:
        yield Mistake(at, f"{name} facts have no {dimension!r}; they have {_listed(dimensions) or 'none at all'}")
        return
    wanted = test.none_of if isinstance(test, Exclusion) else (test,) if isinstance(test, str) else test
    if not wanted:
        yield Mistake(at, f"the list of {dimension} is empty; name values, or leave {dimension} out to take all")
    known = configured.get(dimension) or dimensions[dimension]
    for value in wanted:
        if known is not None and value not in known:
            yield Mistake(at, f"{value!r} is no {dimension} of {name} facts{_instead(known)}")


def _may_pass(tests: Mapping[str, Test], values: Mapping[str, Values]) -> bool:
    """Whether there may be a fact with such values that passes."""
    known = {dimension: allowed for dimension in tests if (allowed := values.get(dimension)) is not None}
    return all(any(passes(value, tests[dimension]) for value in allowed) for dimension, allowed in known.items())


def _check_points(d: Definition, fact: FactKind, configured: Configured) -> Iterator[Mistake]:
    if "rank" not in fact.dimensions or not d.points:
        yield Mistake(("kind",), "points need appointment facts and a table `points`")
    tiers = configured.get("tier")
    for tier, of_ranks in d.points.items():
        if tiers is not None and tier not in tiers:
            yield Mistake(("points", tier), f"{tier!r} is no target tier{_instead(tiers)}")
        for rank in of_ranks:
            if rank not in RANKS:
                yield Mistake(("points", tier, rank), f"{rank!r} is no rank{_instead(RANKS)}")


def _instead(known: Collection[str]) -> str:
    return f"; write one of {_listed(known)}" if len(known) <= LISTED else ""


def _or(values: Collection[str]) -> str:
    return " or ".join(value or '""' for value in values)


def _listed(values: Collection[str]) -> str:
    return ", ".join(value or '""' for value in values)


def _those(wanted: Callable[[FactKind], bool]) -> str:
    return ", ".join(name for name, fact in FACTS.items() if wanted(fact))
