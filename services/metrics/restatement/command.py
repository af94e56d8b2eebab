"""What `tasuki kpi restated` does and prints."""

from collections.abc import Sequence
from typing import NamedTuple

import asyncpg
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.metrics import store
from services.metrics.catalogue.compile import compile_catalogue
from services.metrics.catalogue.kpis import Catalogue, Kpi
from services.metrics.contributions.rules import Rules
from services.metrics.match import Matcher
from services.metrics.query import Asker
from services.metrics.query.values import Row
from services.metrics.question import Question
from services.metrics.restatement.closed import REASONS, Closed, Reason, closed_period, compared, moved, reason_of
from services.metrics.restatement.reading import Movers, at_close
from services.metrics.targets import in_currency
from shared.clock import Clock, SystemClock
from shared.config import Config, load_config
from shared.db import connect
from shared.periods import Grain, business_date
from shared.settings import Settings
from shared.web.problems import Problem

CONNECTIONS = 2
"""One that reads, and one on which rows of dimensions are made."""


class Unanswerable(Exception):
    """What was asked for cannot be told; the text says why."""


class Line(NamedTuple):
    """A row of a KPI that moved."""

    kpi: Kpi
    row: Row


class Report(NamedTuple):
    """What moved of a closed period, and how many events moved each KPI, by reason."""

    closed: Closed
    kpis: int
    lines: Sequence[Line]
    causes: dict[str, dict[Reason, int]]


async def run(
    settings: Settings, grain: Grain | None, period: str, kpi: str | None, clock: Clock | None = None
) -> Report:
    """Restate a period of this installation. Raises Unanswerable, ConfigError, DatabaseUnavailable."""
    config, now = load_config(settings.config_dir), (clock or SystemClock()).now()
    catalogue = compile_catalogue(config)
    try:
        closed = closed_period(period, grain, now, settings.zone, settings.fiscal_year_start)
    except Problem as problem:
        raise Unanswerable(problem.errors[0].detail) from problem
    restated = _Restated(settings, config, catalogue, _asked(catalogue, kpi), closed)
    engine = connect(settings, "restated", pool_size=CONNECTIONS)
    try:
        return await at_close(engine, restated.rules, closed.at, restated.report)
    finally:
        await engine.dispose()


def _asked(catalogue: Catalogue, kpi_id: str | None) -> list[Kpi]:
    if kpi_id is None:
        return list(catalogue)
    kpi = catalogue.get(kpi_id)
    if kpi is None:
        raise Unanswerable(f"there is no KPI {kpi_id!r}; kpis.yaml has {', '.join(k.id for k in catalogue)}")
    return [kpi]


class _Restated:
    def __init__(
        self, settings: Settings, config: Config, catalogue: Catalogue, kpis: Sequence[Kpi], closed: Closed
    ) -> None:
        policy = config.policies["default"]
        self.rules = Rules(settings.zone, config.fields, policy, catalogue.rank_fields, catalogue.as_of_event)
        self._settings = settings
        self._matcher = Matcher(config.team, settings.fiscal_year_start)
        self._targets = in_currency(config.targets, catalogue, config.documents)
        self._kpis = kpis
        self._closed = closed

    async def report(self, conn: asyncpg.Connection, cells: str) -> Report:
        """What moved, given the cells as they were known at the close."""
        shown, _ = await store.sides(conn)
        if shown.fingerprint != self.rules.fingerprint:
            raise Unanswerable("the numbers were made by other rules than those of config/; restart Tasuki first")
        sides = (cells, shown.cells)
        lines = [Line(kpi, row) for kpi in self._kpis for row in await self._rows(conn, sides, kpi) if moved(row)]
        return Report(self._closed, len(self._kpis), lines, await self._causes(conn))

    async def _rows(self, conn: asyncpg.Connection, cells: tuple[str, str], kpi: Kpi) -> list[Row]:
        period, start = self._closed.period, self._settings.fiscal_year_start
        question = Question(kpi, self._closed.grain, period.first, period.last)
        today = business_date(self._closed.at, self._settings.zone)
        before, now = (Asker(conn, today, start, self._targets, cells=table) for table in cells)
        return compared(question, await before.answer(question), await now.answer(question))

    async def _causes(self, conn: asyncpg.Connection) -> dict[str, dict[Reason, int]]:
        counts: dict[str, dict[Reason, int]] = {}
        movers = Movers(conn, self.rules, self._matcher, self._kpis, (), self._closed)
        async for _, causes in movers.moved():
            for event, kpis in causes:
                reason = reason_of(event, self._closed.period, self._settings.zone)
                for kpi in kpis:
                    of_kpi = counts.setdefault(kpi, {})
                    of_kpi[reason] = of_kpi.get(reason, 0) + 1
        return counts


def print_report(report: Report, console: Console) -> None:
    """The KPIs that moved as a table, or that none did."""
    closed = f"{report.closed.period.label}, closed at {report.closed.at.isoformat().replace('+00:00', 'Z')}"
    if not report.lines:
        looked_at = "1 KPI" if report.kpis == 1 else f"{report.kpis} KPIs"
        console.print(f"none moved: {looked_at} of {closed}", highlight=False, soft_wrap=True)
        return
    table = Table(title=closed)
    table.add_column("KPI", overflow="fold", min_width=16)  # a narrow terminal shortens nothing that is told
    for name in ("before", "now", "difference"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("causes", overflow="fold", min_width=10)
    for kpi, row in report.lines:
        names = kpi.definition.name
        figures = (_shown(row[name], row.get("currency")) for name in ("before", "now", "difference"))
        table.add_row(
            f"{kpi.id}\n[dim]{escape(f'{names.ja}, {names.en}')}", *figures, _causes(report.causes.get(kpi.id, {}))
        )
    console.print(table)


def _shown(value: float | None, currency: str | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.4f}".rstrip("0").rstrip(".") + (f" {currency}" if currency else "")


def _causes(counts: dict[Reason, int]) -> str:
    return ", ".join(f"{counts[reason]:,} {reason}" for reason in REASONS if reason in counts)
