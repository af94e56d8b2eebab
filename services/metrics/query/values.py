"""What sums of cells are as values of a KPI. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from services.metrics.catalogue.kpis import Kpi, Ratio, Simple
from shared.money import major_units

MICROSECONDS = {"seconds": 1_000_000, "days": 86_400_000_000}

Key = tuple[str, ...]
"""Period, the values of `by`, and the currency of money."""
Row = dict[str, Any]


class Sum(NamedTuple):
    """What a selection of cells adds up to."""

    n: int
    total: int


NOTHING = Sum(0, 0)

Sums = Mapping[tuple[Any, ...], Sum]
"""By the keys of a selection."""


def simple_value(kpi: Simple, currency: str, found: Sum) -> Row:
    """Value of a count, sum, stock or mean."""
    match kpi.definition.kind:
        case "mean":
            total = amount(kpi, currency, found.total)
            return {"value": divided(total, found.n), "numerator": total, "denominator": found.n}
        case "sum":
            return {"value": amount(kpi, currency, found.total)}
        case "stock" if kpi.money:
            return {"value": amount(kpi, currency, found.total)}
        case "points":
            return {"value": found.total}
        case _:
            return {"value": found.n}


def ratio_value(kpi: Ratio, currency: str, numerator: Sum, denominator: Sum) -> Row:
    """Value of a ratio."""
    above = simple_value(kpi.numerator, currency, numerator)["value"]
    below = simple_value(kpi.denominator, currency, denominator)["value"]
    return {"value": divided(above, below), "numerator": above, "denominator": below}


def ratios(kpi: Ratio, by: Sequence[str], above: Mapping[Key, Sum], below: Mapping[Key, Sum]) -> dict[Key, Row]:
    """A row wherever either part has one; of money only where there is money, in its currency.

    Where the denominator does not know a dimension (or currencies), it stands whole beside each of the numerator's;
    where the numerator does not know currencies, it stands whole beside each of the denominator's.
    """
    kept = [0, *(n for n, dimension in enumerate(by, 1) if dimension in kpi.denominator.dimensions)]
    if kpi.money and not kpi.numerator.money:
        above = _in_each_currency(above, below, kept)
    if kpi.denominator.money:
        kept.append(len(by) + 1)
    whole = len(kept) == 1 + len(by) + kpi.money
    keys = above.keys() | below.keys() if whole else above.keys()
    return {
        key: ratio_value(kpi, key[-1], above.get(key, NOTHING), below.get(tuple(key[n] for n in kept), NOTHING))
        for key in keys
    }


def _in_each_currency(counted: Mapping[Key, Sum], money: Mapping[Key, Sum], kept: Sequence[int]) -> dict[Key, Sum]:
    """What is counted, beside each currency of the money; `kept`: the parts of its key that the money knows."""
    currencies: dict[Key, list[str]] = {}
    for *key, currency in money:
        currencies.setdefault(tuple(key), []).append(currency)
    return {
        (*key, currency): found
        for key, found in counted.items()
        for currency in currencies.get(tuple(key[n] for n in kept), ())
    }


def divided(above: float, below: float) -> float | None:
    """A quotient as it is answered: null where there is nothing to divide by."""
    return above / below if below else None


def amount(kpi: Kpi, currency: str, total: int) -> int | float:
    """Seconds as they are, money in major units: a float prints the decimals of any real amount exactly."""
    if not kpi.money:
        return total
    major = major_units(total, currency)
    return int(major) if major == major.to_integral_value() else float(major)
