"""`/`: how the team stands, live."""

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from starlette.responses import Response, StreamingResponse

from services.console.charts import FULL, ROW, bars, heat_map
from services.console.live import LiveBoard
from services.console.site import Site, Visit
from shared.client import AsyncClient, metrics
from shared.client.types import Kpi, KpiScore, MemberScore, Scorecard
from shared.events import Language
from shared.periods import period_of

TILES = ("calls", "connects", "conversations", "appointments", "handoffs", "opportunities", "booked_amount")
FUNNEL = ("calls", "connects", "conversations", "appointments", "opportunities", "deals")
TRENDS = ("connects", "appointments", "opportunities")
ROLE = "inside_sales"
TREND_DAYS = 28

Rows = list[dict[str, Any]]


class Tile(NamedTuple):
    """A KPI today and this month; `score` has its target and pace, where it has one."""

    kpi: Kpi
    today: Rows
    month: Rows
    score: KpiScore | None


class Trend(NamedTuple):
    """A KPI by day: the last days, and as many before them. `days` are those of the last ones."""

    kpi: Kpi
    days: list[str]
    now: list[float]
    before: list[float]


async def show(visit: Visit) -> Response:
    """The page; what changes later comes by `/live`."""
    body = await make_board(visit.site, visit.site.tasuki.with_key(visit.session.key), visit.language)
    return visit.show("board.html", board=body)


async def watch(visit: Visit, live: LiveBoard) -> Response:
    """The stream of the page."""
    events = live.watch(visit.session.key, visit.language)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events, headers=headers, media_type="text/event-stream")


async def make_board(site: Site, tasuki: AsyncClient, language: Language) -> str:
    """All that moves on the board. The same for everybody; a browser marks its person's row by itself."""
    today = site.today()
    month = period_of(today, "month")
    kpis = {kpi.id: kpi for kpi in (await tasuki.send(metrics.kpis())).items}
    shown = [name for name in TILES if name in kpis]

    async def rows(name: str, grain: str, first: date, last: date, by: Sequence[str] = ()) -> Rows:
        found = await tasuki.send(metrics.values(name, grain=grain, from_=first, to=last, by=by))
        return found.rows

    since = today - timedelta(days=2 * TREND_DAYS - 1)
    todays, months, hours, trends, card = await asyncio.gather(
        asyncio.gather(*(rows(name, "day", today, today) for name in shown)),
        asyncio.gather(*(rows(name, "month", month.first, month.last) for name in {*shown, *FUNNEL} if name in kpis)),
        rows("connects", "month", month.first, month.last, ("weekday", "hour")) if "connects" in kpis else _none(),
        asyncio.gather(*(rows(name, "day", since, today) for name in TRENDS if name in kpis)),
        tasuki.send(metrics.scorecard(ROLE, grain="month")),
    )
    of_month = dict(zip([name for name in {*shown, *FUNNEL} if name in kpis], months, strict=True))
    scores = {score.kpi: score for score in card.total.kpis}
    return site.render(
        "board_body.html",
        language,
        today=today,
        month=month.label,
        tiles=[Tile(kpis[n], day, of_month[n], scores.get(n)) for n, day in zip(shown, todays, strict=True)],
        funnel=bars([(n, _first(of_month[n])) for n in FUNNEL if n in kpis]),
        kpis=kpis,
        full=FULL,
        row=ROW,
        heat=heat_map({(int(r["weekday"]), int(r["hour"])): r["value"] or 0 for r in hours}),
        card=card,
        members=_by_score(card),
        trends=[
            _trend(kpis[name], found, today)
            for name, found in zip([name for name in TRENDS if name in kpis], trends, strict=True)
        ],
    )


async def _none() -> Rows:
    return []


def _first(rows: Rows) -> float:
    return float(rows[0]["value"] or 0) if rows else 0.0


def _by_score(card: Scorecard) -> list[MemberScore]:
    """The members, who has reached most of what counts first."""
    return sorted(card.members, key=lambda member: (-(member.score if member.score is not None else -1), member.member))


def _trend(kpi: Kpi, rows: Rows, today: date) -> Trend:
    found = {row["period"]: float(row["value"] or 0) for row in rows}
    days = [(today - timedelta(days=n)).isoformat() for n in range(2 * TREND_DAYS - 1, -1, -1)]
    values = [found.get(day, 0.0) for day in days]
    return Trend(kpi, days[TREND_DAYS:], values[TREND_DAYS:], values[:TREND_DAYS])
