"""`/kpis` and `/kpis/{id}`: what a number means, how it went, and what it is made of."""

import asyncio
from datetime import timedelta
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from services.console.site import Visit
from shared.client import metrics
from shared.client.errors import Invalid
from shared.periods import Grain, period_of

GRAINS: dict[str, int] = {"day": 60, "week": 26, "month": 13, "quarter": 8, "fiscal_year": 5}
"""How many periods are shown of each grain."""
_DAYS = {"day": 1, "week": 7, "month": 31, "quarter": 92, "fiscal_year": 366}
CONTRIBUTORS = 50


async def index(visit: Visit) -> Response:
    """The catalogue."""
    found = (await visit.send(metrics.kpis())).items
    return visit.show("kpis.html", kpis=found, classes=("result", "efficiency", "activity"))


async def show(visit: Visit) -> Response:
    """One KPI."""
    asked, today = visit.request.query_params, visit.site.today()
    kpi = next((k for k in (await visit.send(metrics.kpis())).items if k.id == visit.request.path_params["id"]), None)
    if kpi is None:
        raise HTTPException(404)
    grain: Any = asked.get("grain") if asked.get("grain") in GRAINS else "month"
    by = asked.get("by") if asked.get("by") in kpi.dimensions else None
    first = today - timedelta(days=GRAINS[grain] * _DAYS[grain])
    now = period_of(today, grain, visit.site.fiscal_start)
    closed = period_of(now.first - timedelta(days=1), grain, visit.site.fiscal_start)
    trend, parts, behind, moved = await asyncio.gather(
        visit.send(metrics.values(kpi.id, grain=grain, from_=first, to=today)),
        visit.send(metrics.values(kpi.id, grain=grain, from_=now.first, to=today, by=(by,))) if by else _none(),
        visit.send(metrics.contributors(kpi.id, grain=grain, from_=now.first, to=today, limit=CONTRIBUTORS)),
        _restated(visit, kpi.id, closed.label),
    )
    return visit.show(
        "kpi.html",
        kpi=kpi,
        grain=grain,
        grains=GRAINS,
        by=by,
        rows=trend.rows,
        series=_series(trend.rows),
        parts=sorted(parts.rows, key=lambda row: -(row["value"] or 0)) if parts else [],
        period=now.label,
        behind=behind.items,
        more=behind.next_cursor is not None,
        closed=closed.label,
        moved=moved,
    )


async def _none() -> None:
    return None


async def _restated(visit: Visit, kpi: str, period: str) -> dict[str, Any] | None:
    """How much the last closed period moved since; None where it is too long ago, or nothing is known of it."""
    try:
        return await visit.ask(metrics.restatements(kpi, period=period))
    except Invalid:
        return None


def _series(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """For the chart: the periods, and the values of each currency ("" without one)."""
    periods = sorted({row["period"] for row in rows})
    found = {(row.get("currency", ""), row["period"]): row["value"] for row in rows}
    currencies = sorted({currency for currency, _ in found})
    lines = [{"label": currency, "values": [found.get((currency, p)) for p in periods]} for currency in currencies]
    return {"periods": periods, "lines": lines}


__all__ = ["GRAINS", "Grain", "index", "show"]
