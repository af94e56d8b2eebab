"""What is asked of metrics and what it answers."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from services.metrics.catalogue.kpis import Kpi
from services.metrics.question import Grain
from services.metrics.restatement.closed import RestatementCause
from shared.config.targets import Target
from shared.events import Timestamp
from shared.web import Limit, Paging
from shared.words import Words

By = Annotated[str, msgspec.Meta(max_length=500)]
Where = Annotated[str, msgspec.Meta(max_length=20_000)]
"""What is asked for is remembered with its sums, so it has a bound beside that of bodies; no address is longer."""


class TargetShown(msgspec.Struct, omit_defaults=True):
    """What all together are to reach in a period; money in major units."""

    period: str
    value: float
    currency: str | None = None


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
    target: TargetShown | None = None


class KpiPage(msgspec.Struct):
    """The catalogue, in pages."""

    items: list[KpiDescription]
    next_cursor: str | None


class AsOf(msgspec.Struct):
    """How far the numbers are: distinct events in them, and next offset per `<topic>/<partition>`."""

    events: int
    positions: dict[str, int]


class Answered(msgspec.Struct):
    """Rows of a KPI: `period`, a key for each of `by`, `currency` for money, `value` and what it was made from."""

    kpi: str
    unit: str
    grain: str
    timezone: str
    rows: list[dict[str, Any]]


class Values(Answered):
    """The answer to one question, and how far the numbers are."""

    as_of: AsOf


class AllValues(msgspec.Struct):
    """The answers to several questions in their order, all of one moment."""

    answers: list[Answered]
    as_of: AsOf


class Asked(msgspec.Struct, rename={"from_": "from"}):
    """What is asked of a KPI. `to` is inclusive; `where=segment:smb,channel:call`, `rep:a|b` for either of two. A comma
    or `|` of a value itself is written after a backslash."""

    grain: Grain = "month"
    from_: date | None = None
    to: date | None = None
    by: By | None = None
    where: Where | None = None


class ValuesQuery(Asked):
    """`known_at`: as was known then."""

    known_at: Timestamp | None = None
    format: Literal["json", "csv"] = "json"


class AskedOf(Asked, kw_only=True):
    """A question and the KPI that it is about."""

    kpi: str


class QuestionsForm(msgspec.Struct):
    """`POST /v1/kpis/values`"""

    EXAMPLE: ClassVar = {
        "questions": [
            {"kpi": "calls", "grain": "day", "from": "2026-11-01", "to": "2026-11-30"},
            {"kpi": "connect_rate", "by": "rep", "where": "segment:smb"},
        ]
    }

    questions: Annotated[list[AskedOf], msgspec.Meta(min_length=1, max_length=100)]


class CatalogueQuery(Paging):
    """A page of the catalogue; all of it by default."""

    limit: Limit = 200


class Status(msgspec.Struct):
    """How far the numbers are; `lag` 0: all that is in the log is in the numbers."""

    processed: int
    duplicates: int
    dead_lettered: int
    lag: int
    last_event_at: datetime | None


class ContributorsQuery(Paging):
    """The question, as for values, and which page of the answer."""

    grain: Grain = "month"
    from_: date | None = msgspec.field(name="from", default=None)
    to: date | None = None
    by: By | None = None
    where: Where | None = None
    format: Literal["json", "csv"] = "json"


class ContributorPage(msgspec.Struct):
    """What a number is made of: `period`, each of `by`, `lead_id`, `value` and `events` of every contributor.

    `part` says which part of the KPI it contributes to (`value`, or numerator and denominator of a rate).
    """

    items: list[dict[str, Any]]
    next_cursor: str | None


class RestatementsQuery(Paging, kw_only=True):
    """Of which closed period; its name tells the grain (`2026-10` is a month), so `grain` is only checked."""

    period: str
    grain: Literal["day", "week", "month", "quarter", "fiscal_year"] | None = None
    by: By | None = None
    format: Literal["json", "csv"] = "json"


class Restatement(msgspec.Struct):
    """How much a KPI of a closed period moved, and the events that moved it, in pages.

    `rows`: `period`, each of `by`, `currency` for money, `before` (as known at `closed_at`, the first instant after the
    period), `now` and their `difference`; of a rate and a duration also its other figures, as `numerator_before` and
    `numerator_now`. They stand on the first page; those that follow hold causes alone.
    """

    kpi: str
    unit: str
    grain: str
    period: str
    timezone: str
    closed_at: datetime
    rows: list[dict[str, Any]]
    items: list[RestatementCause]
    next_cursor: str | None
    as_of: AsOf


class Rebuilding(msgspec.Struct):
    """A rebuild that runs, or the last one. `events`: gone through so far, of about `events_total` that are stored."""

    running: bool
    events: int
    events_total: int
    started_at: datetime | None
    finished_at: datetime | None


class Rebuilt(msgspec.Struct):
    """What a rebuild went through."""

    events: int


def describe(kpi: Kpi, target: Target | None) -> KpiDescription:
    """The KPI as the catalogue lists it."""
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
        target=TargetShown(target.period, float(target.value), target.currency) if target else None,
    )
