"""`/review`: the week for marketing, inside sales and sales together, to look at or to print."""

import asyncio
from datetime import date, timedelta
from typing import Any, NamedTuple

from starlette.responses import Response

from services.console.site import Visit
from shared.client import handoff, metrics
from shared.client.types import Kpi
from shared.config.campaigns import Campaign
from shared.periods import Period, parse_period, period_of

KPIS = (
    "leads", "calls", "connects", "conversations", "appointments", "handoffs", "handoffs_accepted", "opportunities",
    "deals", "booked_amount",
)  # fmt: skip
PIPELINE = ("open_pipeline_amount", "pipeline_coverage")
SOON_DAYS = 60

Rows = list[dict[str, Any]]


class Line(NamedTuple):
    """A KPI in the week and in the one before."""

    kpi: Kpi
    now: Rows
    before: Rows


async def show(visit: Visit) -> Response:
    """One week: that of the query, else the last one that is over."""
    week = _week(visit)
    before = period_of(week.first - timedelta(days=1), "week")
    kpis = {kpi.id: kpi for kpi in (await visit.send(metrics.kpis())).items}

    async def rows(name: str, grain: str, first: date, last: date, *by: str) -> Rows:
        return (await visit.send(metrics.values(name, grain=grain, from_=first, to=last, by=by))).rows

    shown = [name for name in KPIS if name in kpis]
    now, then, pipeline, mix, sources, results = await asyncio.gather(
        asyncio.gather(*(rows(name, "week", week.first, week.last) for name in shown)),
        asyncio.gather(*(rows(name, "week", before.first, before.last) for name in shown)),
        asyncio.gather(*(rows(name, "quarter", week.last, week.last) for name in PIPELINE if name in kpis)),
        rows("segment_share", "week", week.first, week.last, "segment") if "segment_share" in kpis else _none(),
        rows("leads", "week", week.first, week.last, "campaign"),
        visit.ask(handoff.results(first=week.first.isoformat(), last=week.last.isoformat())),
    )
    campaigns = visit.site.config.campaigns.values()
    return visit.show(
        "review.html",
        week=week,
        previous=before.label,
        following=period_of(week.last + timedelta(days=1), "week").label,
        lines=[Line(kpis[n], this, last) for n, this, last in zip(shown, now, then, strict=True)],
        pipeline=[(kpis[n], found) for n, found in zip([n for n in PIPELINE if n in kpis], pipeline, strict=True)],
        mix=mix,
        leads={row["campaign"]: row["value"] for row in sources},
        running=[c for c in campaigns if c.from_ <= week.last and c.to >= week.first],
        planned=[c for c in campaigns if _is_soon(c, week)],
        total=results["total"] if results else None,
    )


def _week(visit: Visit) -> Period:
    asked = visit.request.query_params.get("week")
    today = visit.site.today()
    try:
        grain, week = parse_period(asked or "")
    except ValueError:
        grain, week = "day", None
    return week if week is not None and grain == "week" else period_of(today - timedelta(days=7), "week")


def _is_soon(campaign: Campaign, week: Period) -> bool:
    return week.last < campaign.from_ <= week.last + timedelta(days=SOON_DAYS)


async def _none() -> Rows:
    return []
