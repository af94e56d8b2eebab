"""The endpoints of metrics: the catalogue, values, how far the numbers are, rebuild."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from services.metrics import store
from services.metrics.catalogue.kpis import Catalogue, Kpi
from services.metrics.contributions.rules import Rules
from services.metrics.contributors import Contributors, Position
from services.metrics.counting import Counting
from services.metrics.forms import (
    AllValues,
    Answered,
    AskedOf,
    AsOf,
    CatalogueQuery,
    ContributorPage,
    ContributorsQuery,
    KpiPage,
    QuestionsForm,
    Rebuilding,
    Rebuilt,
    Status,
    Values,
    ValuesQuery,
    describe,
)
from services.metrics.known import cells_known_at
from services.metrics.match import Matcher
from services.metrics.query import Asker, Memory
from services.metrics.query.values import Row
from services.metrics.question import ROWS_AT_MOST, Question, ask, invalid
from services.metrics.rebuild.rebuilder import Rebuilder
from services.metrics.restatement.routes import Restatements
from services.metrics.spreadsheet import columns_of, link_to_next, to_csv
from services.metrics.targets import target_of
from shared.clock import Clock
from shared.config.targets import Target
from shared.config.team import Team
from shared.consume import Consumer
from shared.db import driver, snapshot, transaction
from shared.settings import Settings
from shared.web import Answer, Call, Endpoint, not_found, page, read_cursor


class Routes:
    """Handlers of the metrics service."""

    def __init__(
        self,
        engine: AsyncEngine,
        catalogue: Catalogue,
        rules: Rules,
        consumer: Consumer,
        rebuilder: Rebuilder,
        settings: Settings,
        clock: Clock,
        targets: Sequence[Target],
        team: Team,
        memory: Memory,
    ) -> None:
        self._engine = engine
        self._catalogue = catalogue
        self._rules = rules
        self._consumer = consumer
        self._rebuilder = rebuilder
        self._settings = settings
        self._clock = clock
        self._targets = targets
        self._memory = memory
        self._matcher = Matcher(team, settings.fiscal_year_start)
        self._restatements = Restatements(engine, self._kpi, rules, settings, clock, targets, self._matcher)

    def table(self) -> list[Endpoint]:
        """All endpoints but those that every service has."""
        return [
            Endpoint(
                method="GET",
                path="/v1/kpis",
                handler=self.kpis,
                scope="kpis:read",
                summary="The KPI catalogue: what each is called, means and is for",
                query=CatalogueQuery,
                answers={200: KpiPage},
            ),
            Endpoint(
                method="GET",
                path="/v1/kpis/{id}/values",
                handler=self.values,
                scope="kpis:read",
                summary="Values of a KPI by period and dimensions",
                query=ValuesQuery,
                answers={200: Values},
                other_answer_media_types=("text/csv",),
            ),
            Endpoint(
                method="POST",
                path="/v1/kpis/values",
                handler=self.all_values,
                scope="kpis:read",
                summary="The answers to many such questions, all of one moment",
                body=QuestionsForm,
                answers={200: AllValues},
                idempotent=False,
            ),
            Endpoint(
                method="GET",
                path="/v1/kpis/{id}/contributors",
                handler=self.contributors,
                scope="kpis:read",
                summary="The very events and leads behind a KPI's values",
                query=ContributorsQuery,
                answers={200: ContributorPage},
                other_answer_media_types=("text/csv",),
            ),
            *self._restatements.table(),
            Endpoint(
                method="GET",
                path="/v1/status",
                handler=self.status,
                scope="kpis:read",
                summary="How far the numbers are",
                answers={200: Status},
            ),
            Endpoint(
                method="POST",
                path="/v1/rebuild",
                handler=self.rebuild,
                scope="admin",
                summary="Make every number anew from the stored events",
                answers={200: Rebuilt},
            ),
            Endpoint(
                method="GET",
                path="/v1/rebuild",
                handler=self.rebuilding,
                scope="admin",
                summary="How far the rebuild is that runs, or when the last one ended",
                answers={200: Rebuilding},
            ),
        ]

    async def kpis(self, call: Call[None, CatalogueQuery]) -> Answer:
        start = read_cursor(call.query.cursor, int) or 0
        kpis = list(enumerate(self._catalogue))[max(start, 0) :][: call.query.limit + 1]
        listed = page(kpis, call.query.limit, lambda numbered: numbered[0] + 1)
        return Answer({**listed, "items": [describe(kpi, self._target(kpi)) for _, kpi in listed["items"]]})

    def _today(self) -> date:
        return self._clock.now().astimezone(self._settings.zone).date()

    async def _known_at(self, question: Question, known_at: datetime) -> tuple[list[Row], AsOf]:
        """The answer that was right then, from the events recorded by then; it may take long."""
        async with transaction(self._engine) as conn:
            raw = await driver(conn)
            cells, events = await cells_known_at(self._engine, raw, self._rules, known_at)
            day = min(known_at, self._clock.now()).astimezone(self._settings.zone).date()
            start = self._settings.fiscal_year_start
            asker = Asker(raw, day, start, self._targets, cells=cells, rows_at_most=ROWS_AT_MOST)
            return await asker.answer(question), AsOf(events, {})

    def _target(self, kpi: Kpi) -> Target | None:
        return target_of(kpi.id, self._targets, self._today(), self._settings.fiscal_year_start)

    async def values(self, call: Call[None, ValuesQuery]) -> Answer:
        query = call.query
        kpi = self._kpi(call.path["id"])
        question = ask(kpi, query.grain, query.from_, query.to, query.by, query.where)
        if query.known_at is not None:
            rows, as_of = await self._known_at(question, query.known_at)
        else:
            (rows,), as_of = await self._answers([question])
        if query.format == "csv":
            return Answer(to_csv(columns_of(question), rows), media_type="text/csv; charset=utf-8")
        unit, zone = kpi.definition.unit, self._settings.timezone
        return Answer(Values(kpi.id, unit, query.grain, zone, rows, as_of))

    async def all_values(self, call: Call[QuestionsForm]) -> Answer:
        questions = [self._asked(n, asked) for n, asked in enumerate(call.body.questions)]
        found, as_of = await self._answers(questions)
        zone = self._settings.timezone
        answered = [
            Answered(asked.kpi.id, asked.kpi.definition.unit, asked.grain, zone, rows)
            for asked, rows in zip(questions, found, strict=True)
        ]
        return Answer(AllValues(answered, as_of))

    def _asked(self, n: int, asked: AskedOf) -> Question:
        """The n-th question. Raises Problem 422, which says where in the body the mistake is."""
        kpi = self._catalogue.get(asked.kpi)
        if kpi is None:
            raise invalid(f"/questions/{n}/kpi", f"there is no KPI {asked.kpi[:100]!r}; /v1/kpis lists them")
        return ask(kpi, asked.grain, asked.from_, asked.to, asked.by, asked.where, at=f"/questions/{n}")

    async def _answers(self, questions: Sequence[Question]) -> tuple[list[list[Row]], AsOf]:
        """The rows of each question, all of one moment, and how far the numbers were then."""
        async with snapshot(self._engine) as conn:
            raw = await driver(conn)
            cells, start = await store.shown_cells(raw), self._settings.fiscal_year_start
            asker = Asker(
                raw,
                self._today(),
                start,
                self._targets,
                cells=cells,
                memory=self._memory,
                rows_at_most=ROWS_AT_MOST,
            )
            rows = [await asker.answer(question) for question in questions]
            return rows, AsOf(*await store.as_of(raw))

    async def contributors(self, call: Call[None, ContributorsQuery]) -> Answer:
        query = call.query
        question = ask(self._kpi(call.path["id"]), query.grain, query.from_, query.to, query.by, query.where)
        after = read_cursor(query.cursor, Position)
        counting = Counting(self._matcher, self._today(), self._settings.fiscal_year_start)
        async with snapshot(self._engine) as conn:
            contributors = Contributors(await driver(conn), self._rules, counting)
            found = await contributors.page(question, after, query.limit + 1)
        listed = page(found, query.limit, lambda contributor: contributor[0])
        rows = [row for _, row in listed["items"]]
        if query.format == "csv":
            first = ["part", "period", *question.by, "lead_id", "value"]
            first += [*(("currency",) if question.kpi.money else ()), "events"]
            flat = [row | {"events": " ".join(f"{e.source}/{e.id}" for e in row["events"])} for row in rows]
            link = link_to_next(call.request.url.query, listed["next_cursor"])
            return Answer(to_csv(first, flat), headers=link, media_type="text/csv; charset=utf-8")
        return Answer(ContributorPage(rows, listed["next_cursor"]))

    def _kpi(self, kpi_id: str) -> Kpi:
        kpi = self._catalogue.get(kpi_id)
        if kpi is None:
            raise not_found(f"There is no KPI {kpi_id[:100]!r}; /v1/kpis lists them.")
        return kpi

    async def status(self, _call: Call) -> Answer:
        async with transaction(self._engine) as conn:
            status = await self._consumer.status(conn)
        return Answer(
            Status(status.processed, status.duplicates, status.dead_lettered, status.lag, status.last_event_at)
        )

    async def rebuild(self, _call: Call) -> Answer:
        return Answer(Rebuilt(await self._rebuilder.request()))

    async def rebuilding(self, _call: Call) -> Answer:
        async with snapshot(self._engine) as conn:
            raw = await driver(conn)
            shown, other = await store.sides(raw)
            total, _ = await store.as_of(raw)
        side = other if other.building else shown
        return Answer(Rebuilding(other.building, side.events, total, side.started_at, side.finished_at))
