"""The endpoints of metrics: the catalogue, values, how far the numbers are, dead letters, rebuild."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from services.metrics import store
from services.metrics.catalogue import Catalogue, Kpi
from services.metrics.contributions.rules import Rules
from services.metrics.query import answer
from services.metrics.question import Grain, Question, ask
from services.metrics.rebuild import rebuild
from shared.consume import Consumer
from shared.db import driver, snapshot, transaction
from shared.settings import Settings
from shared.web import Answer, Call, Endpoint, Paging, not_found, page, read_cursor
from shared.words import Words

NEUTRALISED = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet would run a cell that starts so."""


class KpiDescription(msgspec.Struct, rename={"class_": "class"}):
    """One KPI of the catalogue."""

    id: str
    name: Words
    definition: Words
    purpose: Words
    unit: str
    kind: str
    class_: str
    good: str
    owner: str
    dimensions: Sequence[str]
    target: str | None = None


class KpiPage(msgspec.Struct):
    """The catalogue, in pages."""

    items: list[KpiDescription]
    next_cursor: str | None


class AsOf(msgspec.Struct):
    """How far the numbers are: distinct events in them, and next offset per `<topic>/<partition>`."""

    events: int
    positions: dict[str, int]


class Values(msgspec.Struct):
    """Rows of a KPI: `period`, a key for each of `by`, `currency` for money, `value` and what it was made from."""

    kpi: str
    unit: str
    grain: str
    timezone: str
    rows: list[dict[str, Any]]
    as_of: AsOf


class ValuesQuery(msgspec.Struct, rename={"from_": "from"}):
    """What is asked of a KPI. `to` is inclusive; `where=segment:smb,channel:call`."""

    grain: Grain = "month"
    from_: date | None = None
    to: date | None = None
    by: str | None = None
    where: str | None = None
    format: Literal["json", "csv"] = "json"


class CatalogueQuery(Paging):
    """A page of the catalogue; all of it by default."""

    limit: int = 200


class Status(msgspec.Struct):
    """How far the numbers are; `lag` 0: all that is in the log is in the numbers."""

    processed: int
    duplicates: int
    dead_lettered: int
    lag: int
    last_event_at: datetime | None


class Rebuilt(msgspec.Struct):
    """What a rebuild went through."""

    events: int


class Routes:
    """Handlers of the metrics service."""

    def __init__(
        self, engine: AsyncEngine, catalogue: Catalogue, rules: Rules, consumer: Consumer, settings: Settings
    ) -> None:
        self._engine = engine
        self._catalogue = catalogue
        self._rules = rules
        self._consumer = consumer
        self._settings = settings

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
            ),
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
        ]

    async def kpis(self, call: Call[None, CatalogueQuery]) -> Answer:
        start = read_cursor(call.query.cursor, int) or 0
        kpis = list(enumerate(self._catalogue))[max(start, 0) :][: call.query.limit + 1]
        listed = page(kpis, call.query.limit, lambda numbered: numbered[0] + 1)
        return Answer({**listed, "items": [_described(kpi) for _, kpi in listed["items"]]})

    async def values(self, call: Call[None, ValuesQuery]) -> Answer:
        kpi = self._catalogue.get(call.path["id"])
        if kpi is None:
            raise not_found(f"There is no KPI {call.path['id'][:100]!r}; /v1/kpis lists them.")
        query = call.query
        question = ask(kpi, query.grain, query.from_, query.to, query.by, query.where)
        async with snapshot(self._engine) as conn:
            raw = await driver(conn)
            rows = await answer(raw, question, self._settings.fiscal_year_start)
            events, positions = await store.as_of(raw)
        if query.format == "csv":
            return Answer(_csv(question, rows), media_type="text/csv; charset=utf-8")
        unit, zone = kpi.definition.unit, self._settings.timezone
        return Answer(Values(kpi.id, unit, query.grain, zone, rows, AsOf(events, positions)))

    async def status(self, _call: Call) -> Answer:
        async with transaction(self._engine) as conn:
            status = await self._consumer.status(conn)
        return Answer(
            Status(status.processed, status.duplicates, status.dead_lettered, status.lag, status.last_event_at)
        )

    async def rebuild(self, _call: Call) -> Answer:
        return Answer(Rebuilt(await rebuild(self._engine, self._rules) or 0))


def _described(kpi: Kpi) -> KpiDescription:
    d = kpi.definition
    return KpiDescription(
        id=d.id,
        name=d.name,
        definition=d.definition,
        purpose=d.purpose,
        unit=d.unit,
        kind=d.kind,
        class_=d.class_,
        good=d.good,
        owner=d.owner,
        dimensions=kpi.dimensions,
    )


def _csv(question: Question, rows: Sequence[Mapping[str, Any]]) -> bytes:
    names = list(dict.fromkeys(["period", *question.by, *(name for row in rows for name in row)]))
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(names)
    writer.writerows([_cell(row.get(name)) for name in names] for row in rows)
    return out.getvalue().encode()


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(NEUTRALISED) else value
