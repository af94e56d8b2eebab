"""`/review`: the week for marketing, inside sales and sales together, to look at or to print."""

import asyncio
from collections.abc import Collection
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from starlette.responses import Response

from services.console.questions import Rows, ask
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
MIX, SOURCES = ("mix", "segment_share"), ("sources", "leads")
SOON_DAYS = 60
YEARS = range(1900, 9000)
"""Of weeks that can be asked for: at the ends of the calendar a week has no week before it, or none after it."""


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

    rows, results = await asyncio.gather(
        ask(visit.send, _questions(kpis, week, before)),
        visit.ask(handoff.results(first=week.first.isoformat(), last=week.last.isoformat())),
    )
    campaigns = visit.site.config.campaigns.values()
    return visit.show(
        "review.html",
        week=week,
        previous=before.label,
        following=period_of(week.last + timedelta(days=1), "week").label,
        lines=[Line(kpis[n], rows["week", n], rows["before", n]) for n in KPIS if n in kpis],
        pipeline=[(kpis[n], rows["pipeline", n]) for n in PIPELINE if n in kpis],
        mix=rows.get(MIX, ()),
        leads={row["campaign"]: row["value"] for row in rows.get(SOURCES, ())},
        running=[c for c in campaigns if c.from_ <= week.last and c.to >= week.first],
        planned=[c for c in campaigns if _is_soon(c, week)],
        total=results["total"] if results else None,
    )


def _week(visit: Visit) -> Period:
    """The week that is asked for, else the last one that is over."""
    last = period_of(visit.site.today() - timedelta(days=7), "week")
    try:
        grain, week = parse_period(visit.request.query_params.get("week", ""))
    except ValueError:
        return last
    return week if grain == "week" and week.first.year in YEARS else last


def _is_soon(campaign: Campaign, week: Period) -> bool:
    return week.last < campaign.from_ <= week.last + timedelta(days=SOON_DAYS)


def _questions(kpis: Collection[str], week: Period, before: Period) -> dict[tuple[str, str], dict[str, str]]:
    """All that the review shows of these KPIs, by what it is for and the KPI."""
    question = partial(metrics.question, grain="week")
    weeks = {("week", n): question(n, from_=week.first, to=week.last) for n in KPIS}
    others = {("before", n): question(n, from_=before.first, to=before.last) for n in KPIS}
    pipeline = {("pipeline", n): question(n, grain="quarter", from_=week.last, to=week.last) for n in PIPELINE}
    mix = {MIX: question(MIX[1], from_=week.first, to=week.last, by=("segment",))}
    sources = {SOURCES: question(SOURCES[1], from_=week.first, to=week.last, by=("campaign",))}
    found = weeks | others | pipeline | mix | sources
    return {asked: said for asked, said in found.items() if asked[1] in kpis}
