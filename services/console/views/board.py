"""`/`: how the team stands, live."""

import asyncio
from collections.abc import Collection
from datetime import date, timedelta
from typing import NamedTuple

from starlette.responses import Response, StreamingResponse

from services.console.charts import FULL, ROW, bars, heat_map
from services.console.live import LiveBoard
from services.console.questions import Rows, ask
from services.console.site import Site, Visit, soon
from shared.client import AsyncClient, metrics
from shared.client.types import Kpi, KpiScore, MemberScore, Scorecard
from shared.events import Language
from shared.periods import Period, period_of

TILES = ("calls", "connects", "conversations", "appointments", "handoffs", "opportunities", "booked_amount")
FUNNEL = ("calls", "connects", "conversations", "appointments", "opportunities", "deals")
HOURS = ("hours", "connects")
TRENDS = ("connects", "appointments", "opportunities")
ROLE = "inside_sales"
TREND_DAYS = 28


class Tile(NamedTuple):
    """A KPI today and this month; `scores` have its targets and pace, money per currency."""

    kpi: Kpi
    today: Rows
    month: Rows
    scores: list[KpiScore]


class Trend(NamedTuple):
    """A KPI by day: the last days, and as many before them. `days` are those of the last ones."""

    kpi: Kpi
    days: list[str]
    now: list[float]
    before: list[float]


async def show(visit: Visit) -> Response:
    """The page; what changes later comes by `/live`."""
    body = await soon(make_board(visit.site, visit.site.tasuki.with_key(visit.session.key), visit.language))
    return visit.show("board.html", board=body)


async def watch(visit: Visit, live: LiveBoard) -> Response:
    """The stream of the page."""
    if visit.request.method == "HEAD":  # a stream without end would hold the connection for ever
        return Response(media_type="text/event-stream")
    if live.is_full:  # console.js tries again
        return Response(status_code=503, headers={"Retry-After": "5"})
    events = live.watch(visit.session.key, visit.language)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events, headers=headers, media_type="text/event-stream")


async def make_board(site: Site, tasuki: AsyncClient, language: Language) -> str:
    """All that moves on the board. The same for everybody; a browser marks its person's row by itself."""
    today = site.today()
    month = period_of(today, "month")
    kpis = {kpi.id: kpi for kpi in (await tasuki.send(metrics.kpis())).items}
    rows, card = await asyncio.gather(
        ask(tasuki.send, _questions(kpis, today, month)), _card(tasuki, role_of(site.config.team.roles))
    )
    return site.render(
        "board_body.html",
        language,
        today=today,
        month=month.label,
        tiles=[Tile(kpis[n], rows["day", n], rows["month", n], scores_of(card, n)) for n in TILES if n in kpis],
        funnel=bars([(n, _first(rows["month", n])) for n in FUNNEL if n in kpis]),
        kpis=kpis,
        full=FULL,
        row=ROW,
        heat=heat_map({(int(r["weekday"]), int(r["hour"])): r["value"] or 0 for r in rows.get(HOURS, ())}),
        card=card,
        members=_by_score(card) if card else [],
        trends=[_trend(kpis[name], rows["trend", name], today) for name in TRENDS if name in kpis],
    )


def _questions(kpis: Collection[str], today: date, month: Period) -> dict[tuple[str, str], dict[str, str]]:
    """All that the board shows of these KPIs, by what it is for and the KPI."""
    since = today - timedelta(days=2 * TREND_DAYS - 1)
    days = {("day", n): metrics.question(n, grain="day", from_=today, to=today) for n in TILES}
    months = {("month", n): metrics.question(n, from_=month.first, to=month.last) for n in {*TILES, *FUNNEL}}
    hours = {HOURS: metrics.question(HOURS[1], from_=month.first, to=month.last, by=("weekday", "hour"))}
    trends = {("trend", n): metrics.question(n, grain="day", from_=since, to=today) for n in TRENDS}
    return {asked: question for asked, question in (days | months | hours | trends).items() if asked[1] in kpis}


def role_of(roles: Collection[str]) -> str | None:
    """Whose leaderboard is shown: that of inside sales, or where team.yaml calls nobody so, of its first role."""
    return ROLE if ROLE in roles else next(iter(roles), None)


async def _card(tasuki: AsyncClient, role: str | None) -> Scorecard | None:
    return await tasuki.send(metrics.scorecard(role, grain="month")) if role else None


def _first(rows: Rows) -> float:
    return float(rows[0]["value"] or 0) if rows else 0.0


def scores_of(card: Scorecard | None, kpi: str) -> list[KpiScore]:
    """The scores of a KPI that have a target: one, or one for each currency."""
    return [score for score in (card.total.kpis if card else ()) if score.kpi == kpi and score.target]


def _by_score(card: Scorecard) -> list[MemberScore]:
    """The members, who has reached most of what counts first."""
    return sorted(card.members, key=lambda member: (-(member.score if member.score is not None else -1), member.member))


def _trend(kpi: Kpi, rows: Rows, today: date) -> Trend:
    found = {row["period"]: float(row["value"] or 0) for row in rows}
    days = [(today - timedelta(days=n)).isoformat() for n in range(2 * TREND_DAYS - 1, -1, -1)]
    values = [found.get(day, 0.0) for day in days]
    return Trend(kpi, days[TREND_DAYS:], values[TREND_DAYS:], values[:TREND_DAYS])
