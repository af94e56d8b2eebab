"""The KPI catalogue: definitions as data (config/kpis.yaml), checked, and made into what can be asked for.

A KPI selects facts and says what to make of them. A new KPI of a known kind is YAML alone:

- `count`: how many; `sum`: their seconds or money; `mean`: sum per fact; `points`: a table's points for each;
- `duration`: mean, median, p90 and n of a measured time; `stock`: what stands at a period's end;
- `ratio`: one KPI per another; `share`: a member's part of all; `trailing`: mean per week over the last whole weeks;
- `coverage`: a stock per what is still missing to a target.

What facts have is in contributions/kinds.py; check.py holds definitions to it.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Literal

import msgspec

from shared.words import Words

Kind = Literal["count", "sum", "mean", "points", "duration", "stock", "ratio", "share", "trailing", "coverage"]
Unit = Literal["count", "seconds", "days", "ratio", "money", "points"]

TIME_DIMENSIONS = ("hour", "ampm", "weekday")
"""Dimensions of every fact that has an hour."""


class Exclusion(msgspec.Struct, frozen=True, rename={"none_of": "not"}, forbid_unknown_fields=True):
    """Any value but these."""

    none_of: tuple[str, ...]


Test = str | tuple[str, ...] | Exclusion


def passes(value: str, test: Test) -> bool:
    """Whether a value of a dimension is one that the test lets pass."""
    match test:
        case Exclusion():
            return value not in test.none_of
        case str():
            return value == test
        case _:
            return value in test


class Definition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of kpis.yaml. `facts`: the fact's name and what its dimensions must be.

    `as_of` event: `segment`, `industry` and `campaign` are what was known of the lead then, not what is known now.
    """

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
    as_of: Literal["event"] | None = None
    numerator: str | None = None  # ratio; coverage: the stock
    denominator: str | None = None  # ratio; coverage: the KPI whose target is to be reached
    numerator_dimensions: tuple[str, ...] = ()  # ratio: what only the numerator is cut by
    of: str | None = None  # share, trailing
    across: str | None = None  # share: the dimension whose members have a part
    weeks: Annotated[int, msgspec.Meta(ge=1, le=53)] = 4  # trailing
    points: dict[str, dict[str, int]] = {}  # points: target tier ("" unknown) -> rank -> points

    def points_of(self, tier: str, rank: str) -> int:
        """Points of one fact."""
        return self.points.get(tier, {}).get(rank, 0)


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


class Share(Kpi, frozen=True):
    """What part of all each member of a dimension has."""

    part: Simple
    across: str


class Trailing(Kpi, frozen=True):
    """Mean per week over the last whole weeks."""

    of: Simple


class Coverage(Kpi, frozen=True):
    """A stock per what is missing to a target."""

    stock: Simple
    reached: Simple


class Catalogue:
    """All KPIs by id, in the order of kpis.yaml. `rank_fields`: fields whose being known makes a lead's rank.

    `as_of_event`: the facts of KPIs that keep what was known at the time.
    """

    def __init__(self, kpis: Iterable[Kpi], rank_fields: Iterable[str] = ()) -> None:
        self._kpis = {kpi.id: kpi for kpi in kpis}
        self.rank_fields = tuple(rank_fields)
        asked = [kpi.definition for kpi in self if kpi.definition.as_of == "event"]
        self.as_of_event = frozenset(str(definition.facts["name"]) for definition in asked)

    def __iter__(self) -> Iterator[Kpi]:
        return iter(self._kpis.values())

    def get(self, kpi_id: str) -> Kpi | None:
        """The KPI, or None when there is none of this id."""
        return self._kpis.get(kpi_id)


def parts_of(kpi: Kpi) -> Mapping[str, Simple]:
    """What a KPI is made of, by its role in it."""
    match kpi:
        case Simple():
            return {"value": kpi}
        case Ratio():
            return {"numerator": kpi.numerator, "denominator": kpi.denominator}
        case Coverage():
            return {"stock": kpi.stock, "reached": kpi.reached}
        case Share():
            return {"part": kpi.part}
        case Trailing():
            return {"of": kpi.of}
        case _:
            raise TypeError(f"no way to explain {kpi.id}")
