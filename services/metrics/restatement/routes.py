"""The endpoint of restatements: how much a closed period moved, and why."""

from collections.abc import Callable, Sequence
from datetime import date

import asyncpg
import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from services.metrics import store
from services.metrics.catalogue.kpis import Kpi
from services.metrics.contributions.rules import Rules
from services.metrics.contributors import Position
from services.metrics.forms import AsOf, Restatement, RestatementsQuery
from services.metrics.match import Matcher
from services.metrics.query import Asker
from services.metrics.query.values import Row
from services.metrics.question import Question, ask
from services.metrics.restatement.closed import Closed, RestatementCause, cause, closed_period, compared
from services.metrics.restatement.reading import Movers, at_close
from services.metrics.spreadsheet import link_to_next, to_csv
from shared.clock import Clock
from shared.config.targets import Target
from shared.db import driver, snapshot
from shared.periods import business_date
from shared.settings import Settings
from shared.web import Answer, Call, Endpoint, page, read_cursor

Placed = tuple[Position, RestatementCause]
"""A cause and where it stands."""


class Restatements:
    """Handler over cells and stored events. `kpi_of`: the KPI of an id, or a Problem."""

    def __init__(
        self,
        engine: AsyncEngine,
        kpi_of: Callable[[str], Kpi],
        rules: Rules,
        settings: Settings,
        clock: Clock,
        targets: Sequence[Target],
        matcher: Matcher,
    ) -> None:
        self._engine = engine
        self._kpi_of = kpi_of
        self._rules = rules
        self._settings = settings
        self._clock = clock
        self._targets = targets
        self._matcher = matcher

    def table(self) -> list[Endpoint]:
        """The endpoint."""
        return [
            Endpoint(
                method="GET",
                path="/v1/kpis/{id}/restatements",
                handler=self.restatements,
                scope="kpis:read",
                summary="How much a KPI of a closed period moved since it closed, and the events that moved it",
                query=RestatementsQuery,
                answers={200: Restatement},
                other_answer_media_types=("text/csv",),
            )
        ]

    async def restatements(self, call: Call[None, RestatementsQuery]) -> Answer:
        query, settings = call.query, self._settings
        kpi, now = self._kpi_of(call.path["id"]), self._clock.now()
        closed = closed_period(query.period, query.grain, now, settings.zone, settings.fiscal_year_start)
        question = ask(kpi, closed.grain, closed.period.first, closed.period.last, query.by, None)
        after = read_cursor(query.cursor, Position)
        rows, causes, as_of = await self._restated(question, closed, after, query.limit + 1)
        listed = page(causes, query.limit, lambda placed: placed[0])
        shown = [found for _, found in listed["items"]]
        if query.format == "csv":
            link = link_to_next(call.request.url.query, listed["next_cursor"])
            return Answer(_csv(question, rows, shown), headers=link, media_type="text/csv; charset=utf-8")
        unit, zone, name = kpi.definition.unit, settings.timezone, closed.period.label
        return Answer(
            Restatement(
                kpi.id, unit, closed.grain, name, zone, closed.at, rows, shown, listed["next_cursor"], as_of
            )
        )  # fmt: skip

    async def _restated(
        self, question: Question, closed: Closed, after: Position | None, limit: int
    ) -> tuple[list[Row], list[Placed], AsOf]:
        """The rows are part of the first page alone: what was known at the close takes long to find."""
        if after is not None:
            async with snapshot(self._engine) as conn:
                raw = await driver(conn)
                return [], await self._causes(raw, question, closed, after, limit), AsOf(*await store.as_of(raw))
        today = business_date(self._clock.now(), self._settings.zone)

        async def ask_all(raw: asyncpg.Connection, cells: str) -> tuple[list[Row], list[Placed], AsOf]:
            before = await self._asker(raw, today, cells).answer(question)
            now = await self._asker(raw, today, await store.shown_cells(raw)).answer(question)
            rows = compared(question, before, now)
            return rows, await self._causes(raw, question, closed, None, limit), AsOf(*await store.as_of(raw))

        return await at_close(self._engine, self._rules, closed.at, ask_all)

    def _asker(self, conn: asyncpg.Connection, today: date, cells: str) -> Asker:
        return Asker(conn, today, self._settings.fiscal_year_start, self._targets, cells=cells)

    async def _causes(
        self, conn: asyncpg.Connection, question: Question, closed: Closed, after: Position | None, limit: int
    ) -> list[Placed]:
        """Up to `limit` causes after a position, in the order of their groups."""
        first, shown = (after.group, after.shown) if after else ("", 0)
        movers = Movers(conn, self._rules, self._matcher, [question.kpi], question.by, closed)
        found: list[Placed] = []
        async for name, events in movers.moved(first):
            skip = shown if name == first else 0
            placed = [
                (Position(name, n + 1), cause(event, closed.period, self._settings.zone))
                for n, (event, _) in enumerate(events)
            ]
            found += [one for one in placed if one[0].shown > skip]
            if len(found) >= limit:
                break
        return found[:limit]


def _csv(question: Question, rows: list[Row], causes: list[RestatementCause]) -> bytes:
    """One table of both: `line` says whether a line is a value or a cause."""
    lines = [{"line": "value", **row} for row in rows]
    lines += [{"line": "cause", **msgspec.structs.asdict(found)} for found in causes]
    first = ["line", "period", *question.by, *(("currency",) if question.kpi.money else ())]
    first += ["before", "now", "difference"]
    return to_csv(first, lines)
