"""A small board of KPIs in the terminal, as the system answers them."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from shared.client import AsyncClient, metrics
from shared.client.types import Kpi
from shared.demo.system import SERVICES
from shared.demo.week import Week
from shared.settings import Settings

Rows = Sequence[Mapping[str, Any]]

_TOTALS: Final = (
    "leads", "calls", "connects", "connect_rate", "conversations", "conversation_rate", "touches", "time_spent",
    "appointments", "opportunities", "deals", "closing_rate",
)  # fmt: skip
_BY_REP: Final = ("calls", "conversations", "appointments", "opportunities", "deals")
_FUNNEL: Final = ("leads", "conversations", "appointments", "opportunities", "deals")
_MONEY: Final = ("pipeline_amount", "booked_amount", "average_deal_size", "arr", "spend")
_BAR: Final = 30


async def show_board(
    console: Console, client: AsyncClient, week: Week, names: Mapping[str, str], stages: Sequence[str]
) -> None:
    """Prints the week: totals, reps, segments, hours, stages, money. `names`: member id -> name; `stages` in order."""
    board = _Board(client, week, {kpi.id: kpi for kpi in (await client.send(metrics.kpis())).items})
    title = f"{week.monday} – {week.sunday}"
    console.print(await board.totals(title), await board.reps(names), await board.segments(), sep="\n")
    console.print(await board.hours(), await board.stages(stages), await board.money(), sep="\n")


def show_addresses(console: Console, settings: Settings, week: Week, key: str) -> None:
    """Prints where to look. `key`: in words, where the admin key is."""
    for service in SERVICES:
        console.print(f"  {service:<9} {settings.url(service)}/docs", highlight=False)
    look = f"{settings.url('metrics')}/v1/kpis/calls/values?grain=day&from={week.monday}&to={week.sunday}&by=rep"
    inbox, scrape = f"{settings.url('handoff')}/v1/handoffs?status=pending", f"{settings.url('metrics')}/metrics"
    for what, where in (("values", look), ("inbox", inbox), ("scrape", scrape), ("admin key", key)):
        console.print(f"  {what:<9} {where}", highlight=False, soft_wrap=True)  # an address in two lines is none


class _Board:
    """`kpis`: the catalogue; what it does not have is left out."""

    def __init__(self, client: AsyncClient, week: Week, kpis: Mapping[str, Kpi]) -> None:
        self._client = client
        self._week = week
        self._kpis = kpis

    async def totals(self, title: str) -> Table:
        table = _table(f"The week {title}")
        table.add_column("KPI")
        table.add_column("", style="dim")
        table.add_column("value", justify="right")
        for kpi in self._known(_TOTALS):
            rows = await self._week_of(kpi)
            table.add_row(
                self._kpis[kpi].name["ja"], kpi, _shown(rows[0]["value"] if rows else 0, self._kpis[kpi].unit)
            )
        return table

    async def reps(self, names: Mapping[str, str]) -> Table:
        return await self._side_by_side("rep", _BY_REP, names)

    async def segments(self) -> Table:
        return await self._side_by_side("segment", _FUNNEL, {})

    async def hours(self) -> Table:
        calls = {row["hour"]: row["value"] for row in await self._week_of("calls", by=["hour"])}
        talks = {row["hour"]: row["value"] for row in await self._week_of("conversations", by=["hour"])}
        table = _table("By hour: calls, conversations")
        for name in ("hour", "calls", "conversations"):
            table.add_column(name, justify="right")
        table.add_column("")
        most = max(calls.values(), default=1)
        for hour in sorted(calls):
            share = calls[hour] * _BAR // most
            table.add_row(hour, f"{calls[hour]:,}", f"{talks.get(hour, 0):,}", "█" * int(share))
        return table

    async def stages(self, stages: Sequence[str]) -> Table:
        rows = (await self._client.send(metrics.values("stage_entries", grain="all", by=["stage"]))).rows
        entries = {row["stage"]: row["value"] for row in rows}
        table = _table("Stages entered")
        for name in ("stage", "leads"):
            table.add_column(name, justify="right" if name == "leads" else "left")
        for stage in stages:
            table.add_row(stage, f"{entries.get(stage, 0):,}")
        return table

    async def money(self) -> Table:
        kpis = self._known(_MONEY)
        amounts = {kpi: {row["currency"]: row["value"] for row in await self._week_of(kpi)} for kpi in kpis}
        currencies = sorted({currency for values in amounts.values() for currency in values})
        table = _table("Money, per currency")
        table.add_column("KPI")
        for currency in currencies:
            table.add_column(currency, justify="right")
        for kpi in kpis:
            table.add_row(kpi, *(_shown(amounts[kpi].get(currency), "money") for currency in currencies))
        return table

    async def _side_by_side(self, dimension: str, wanted: Sequence[str], names: Mapping[str, str]) -> Table:
        """A line for each member of the dimension, a column for each KPI."""
        kpis = self._known(wanted)
        found = {
            kpi: {row[dimension]: row["value"] for row in await self._week_of(kpi, by=[dimension])} for kpi in kpis
        }
        table = _table(f"By {dimension}")
        table.add_column(dimension, no_wrap=True)
        for kpi in kpis:
            table.add_column(kpi, justify="right")
        for member in sorted({member for values in found.values() for member in values}):
            cells = (_shown(found[kpi].get(member, 0), self._kpis[kpi].unit) for kpi in kpis)
            table.add_row(f"{names.get(member, '')} {member}".strip() or "(none)", *cells)
        return table

    def _known(self, wanted: Sequence[str]) -> list[str]:
        return [kpi for kpi in wanted if kpi in self._kpis]

    async def _week_of(self, kpi: str, by: Sequence[str] = ()) -> Rows:
        asked = metrics.values(kpi, grain="week", from_=self._week.monday, to=self._week.sunday, by=by)
        return (await self._client.send(asked)).rows


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    if unit in ("ratio", "rate", "share"):
        return f"{value:.1%}"
    if unit in ("seconds", "s"):
        return f"{value / 3_600:,.1f} h"
    return f"{Decimal(str(value)):,.2f}".removesuffix(".00")
