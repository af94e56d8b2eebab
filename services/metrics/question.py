"""A question to the numbers: a KPI, a grain, a range of days, what to cut by and what to keep. Checked here. Pure."""

import re
from datetime import date
from typing import Literal

import msgspec

from services.metrics.catalogue.kpis import Kpi
from shared.mistakes import FieldError
from shared.web.problems import Problem

ROWS_AT_MOST = 100_000
"""Of all answers to a request, and of what one lead contributes: a stock has a row for each day since its first event,
and that may be of 1900, for each member."""

Grain = Literal["day", "week", "month", "quarter", "fiscal_year", "all"]

_TOKENS = re.compile(r"\\.|.", re.DOTALL)
_ESCAPED = re.compile(r"\\([\\,|])")


class Question(msgspec.Struct, frozen=True):
    """`where`: dimension -> the values it may have. `from_day` and `to_day` are both inclusive; None: unbounded."""

    kpi: Kpi
    grain: Grain
    from_day: date | None
    to_day: date | None
    by: tuple[str, ...] = ()
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def known_to(self, part: Kpi) -> "Question":
        """The question without the dimensions that a part of the KPI does not have.

        In a rate of money the currency is that of the money: what is counted beside it has none.
        """
        known = [d for d in part.dimensions if d != "currency" or part.money or not self.kpi.money]
        by = tuple(dimension for dimension in self.by if dimension in known)
        where = tuple(kept for kept in self.where if kept[0] in known)
        return msgspec.structs.replace(self, by=by, where=where)


def ask(
    kpi: Kpi, grain: Grain, from_day: date | None, to_day: date | None, by: str | None, where: str | None, at: str = ""
) -> Question:
    """A question from the texts of a request: `by=rep,channel`, `where=segment:smb,rep:a|b`; `at`: where in the request
    it stands. A comma or `|` of a value itself is written after a backslash. Raises Problem 422."""
    if from_day and to_day and from_day > to_day:
        raise invalid(f"{at}/to", f"`to` ({to_day}) lies before `from` ({from_day})")
    cuts = tuple(dict.fromkeys(part for part in (by or "").split(",") if part))
    for cut in cuts:
        _check(kpi, cut, f"{at}/by")
    kept: dict[str, list[str]] = {}
    for part in (part for part in _split(where or "", ",") if part):
        dimension, separator, values = part.partition(":")
        if not separator:
            raise invalid(f"{at}/where", f"write `where=<dimension>:<value>`, not {part[:100]!r}")
        _check(kpi, dimension, f"{at}/where")
        kept.setdefault(dimension, []).extend(_meant(value) for value in _split(values, "|"))
    wanted = tuple((dimension, tuple(dict.fromkeys(values))) for dimension, values in kept.items())
    return Question(kpi, grain, from_day, to_day, cuts, wanted)


def _split(text: str, mark: str) -> list[str]:
    """What stands between the marks; one after a backslash is none."""
    parts = [""]
    for token in _TOKENS.findall(text):
        if token == mark:
            parts.append("")
        else:
            parts[-1] += token
    return parts


def _meant(value: str) -> str:
    return _ESCAPED.sub(r"\1", value)


def _check(kpi: Kpi, dimension: str, pointer: str) -> None:
    if dimension not in kpi.dimensions:
        known = ", ".join(kpi.dimensions)
        raise invalid(pointer, f"{kpi.id} has no dimension {dimension[:100]!r}; it has {known}")


def invalid(pointer: str, detail: str) -> Problem:
    """A question that the numbers cannot answer."""
    return Problem(422, "invalid-query", "The query does not fit the KPI", detail, errors=[FieldError(pointer, detail)])


def too_many() -> Problem:
    """A question that has more rows than anybody reads."""
    detail = f"there would be more than {ROWS_AT_MOST:,} rows; ask for a shorter time, a coarser grain, or cut by less"
    return invalid("", detail)
