"""What can be asked of metrics."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, TypedDict, Unpack

from . import operation
from .operation import Operation, given, part
from .types import AllValues, DeadLetter, Kpi, KpiValues, Page, Rebuilding, Rebuilt, Scorecard, Status


def kpis() -> Operation[Page[Kpi]]:
    """The catalogue."""
    return Operation("metrics", "GET", "/v1/kpis", Page[Kpi], query=given(limit=200))


class Asked(TypedDict, total=False):
    """What is asked of a KPI: by month unless `grain` says otherwise; `to` is inclusive, `where` maps a dimension to
    the member that is asked for."""

    grain: str
    from_: date | None
    to: date | None
    by: Sequence[str]
    where: Mapping[str, str]


def question(kpi: str, **asked: Unpack[Asked]) -> dict[str, str]:
    """A question for `all_values`."""
    first, last = asked.get("from_"), asked.get("to")
    return given(
        kpi=kpi,
        grain=asked.get("grain", "month"),
        from_=first.isoformat() if first else None,
        to=last.isoformat() if last else None,
        by=",".join(asked.get("by", ())) or None,
        where=",".join(f"{of}:{_as_one(member)}" for of, member in asked.get("where", {}).items()) or None,
    )


def _as_one(member: str) -> str:
    """A member as `where` takes it: its own commas, bars and backslashes tell nothing apart."""
    return re.sub(r"[\\,|]", r"\\\g<0>", member)


def values(kpi: str, **asked: Unpack[Asked]) -> Operation[KpiValues]:
    """Values of a KPI."""
    query = {name: said for name, said in question(kpi, **asked).items() if name != "kpi"}
    return Operation("metrics", "GET", f"/v1/kpis/{part(kpi)}/values", KpiValues, query=query)


def all_values(questions: Sequence[Mapping[str, str]]) -> Operation[AllValues]:
    """The answers to up to 100 questions in their order, all of one moment."""
    return Operation("metrics", "POST", "/v1/kpis/values", AllValues, {"questions": list(questions)})


def contributors(kpi: str, *, limit: int | None = None, **asked: Unpack[Asked]) -> Operation[Page[dict[str, Any]]]:
    """The leads and events behind the values that the same question to `values` gives."""
    query = {name: said for name, said in question(kpi, **asked).items() if name != "kpi"} | given(limit=limit)
    return Operation("metrics", "GET", f"/v1/kpis/{part(kpi)}/contributors", Page[dict[str, Any]], query=query)


def restatements(kpi: str, *, period: str) -> Operation[dict[str, Any]]:
    """How much the values of a closed period moved since it was closed, and by which events."""
    path = f"/v1/kpis/{part(kpi)}/restatements"
    return Operation("metrics", "GET", path, dict[str, Any], query=given(period=period))


def scorecard(role: str, *, grain: str | None = None, period: str | None = None) -> Operation[Scorecard]:
    """What the members of a role reached of their targets; of this month when neither grain nor period is given."""
    query = given(grain=grain, period=period)
    return Operation("metrics", "GET", f"/v1/scorecards/{part(role)}", Scorecard, query=query)


def stream() -> Operation[bytes]:
    """Changed values as they happen: for `AsyncClient.events`."""
    return Operation("metrics", "GET", "/v1/stream", bytes)


def status() -> Operation[Status]:
    """How far the numbers are."""
    return Operation("metrics", "GET", "/v1/status", Status)


def rebuild() -> Operation[Rebuilt]:
    """Make every number anew from the stored events. Needs the scope `admin`, and minutes for millions of events."""
    return Operation("metrics", "POST", "/v1/rebuild", Rebuilt)


def rebuilding() -> Operation[Rebuilding]:
    """How far the rebuild is that runs, or when the last one ended. Needs the scope `admin`."""
    return Operation("metrics", "GET", "/v1/rebuild", Rebuilding)


def dead_letters(limit: int | None = None) -> Operation[Page[DeadLetter]]:
    """What metrics could not take from the log; `shared.client.dead_letters` asks any service."""
    return operation.dead_letters("metrics", limit)


def retry_dead_letter(id_: str | int) -> Operation[dict[str, Any]]:
    """Take a dead letter once more, after what hindered it was mended."""
    return operation.retry_dead_letter("metrics", str(id_))
