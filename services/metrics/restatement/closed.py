"""How much a closed period moved since it closed, and why. Pure.

A period closes at the first instant after its last day in the business time zone; what was recorded by then is what was
known then. What was recorded later may still move it; `movers.py` finds which events did. Both follow from the stored
events alone, so the answer is the same on every replica and after any rebuild.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from services.metrics.catalogue.kpis import Kpi
from services.metrics.query.values import Row
from services.metrics.question import Question
from shared.events import (
    Contract,
    Correction,
    Event,
    LeadCreated,
    LeadFields,
    LeadMerged,
    LeadUnmerged,
    Spend,
    rfc3339,
)
from shared.mistakes import FieldError
from shared.periods import Grain, Period, business_date, parse_period
from shared.web.problems import Problem, invalid

Reason = Literal["late", "correction", "merge", "learnt", "other"]
REASONS: tuple[Reason, ...] = ("late", "correction", "merge", "learnt", "other")

ADDED_UP = ("count", "sum", "points", "stock", "trailing")
"""Kinds whose value is 0 where there is no row; the others have none there."""


class Closed(NamedTuple):
    """A period that is over, and the instant at which it closed."""

    grain: Grain
    period: Period
    at: datetime


class RestatementCause(msgspec.Struct):
    """An event recorded after the close that moved the KPI.

    `reason`: `late` (it happened by the period's end), `correction`, `merge` (also one undone), `learnt` (told of the
    lead what was not known), `other` (it happened after the period, and the KPI counts it back into it: a later amount
    of an opportunity, what became of a lead).
    """

    source: str
    id: str
    type: str
    time: str
    recorded_at: str
    lead_id: str
    reason: Reason


def closed_period(label: str, grain: Grain | None, now: datetime, zone: ZoneInfo, fiscal_start: int) -> Closed:
    """The period of a label. Raises Problem 422 for what is none, is of another grain, or has not closed yet."""
    try:
        found, period = parse_period(label, fiscal_start)
    except ValueError as error:
        raise invalid([FieldError("/period", str(error))]) from error
    if grain not in (None, found):
        detail = f"{period.label} is of the grain {found}, not {grain}; leave `grain` out."
        raise invalid([FieldError("/grain", detail)])
    if period.last == date.max:
        raise _open(f"{period.label} never closes")
    at = datetime.combine(period.last + timedelta(days=1), time.min, zone)
    if at > now:
        raise _open(f"{period.label} closes at {at.isoformat()}", closes_at=at.astimezone(UTC))
    return Closed(found, period, at.astimezone(UTC))


def _open(detail: str, **members: Any) -> Problem:
    title = "The period has not closed yet"
    return Problem(422, "period-open", title, detail, errors=[FieldError("/period", detail)], **members)


def compared(question: Question, before: Iterable[Row], now: Iterable[Row]) -> list[Row]:
    """A row for each that was or is there: `before`, `now`, `difference`, and how its other figures were and are."""
    names = ("period", *question.by, *(("currency",) if question.kpi.money else ()))
    was, is_ = ({tuple(row[name] for name in names): row for row in rows} for rows in (before, now))
    rows = []
    for key in sorted(was.keys() | is_.keys()):
        old, new = was.get(key, {}), is_.get(key, {})
        figures = {"before": _value(question.kpi, old, new), "now": _value(question.kpi, new, old)}
        row = dict(zip(names, key, strict=True)) | figures | {"difference": _difference(**figures)}
        others = [name for name in (new or old) if name not in (*names, "value")]
        rows.append(row | {f"{name}_{at}": r.get(name) for name in others for at, r in (("before", old), ("now", new))})
    return rows


def _value(kpi: Kpi, row: Row, other: Row) -> float | None:
    if row:
        value: float | None = row["value"]
        return value
    # where nothing stands nothing covers the target, if there is one to be covered
    nothing = kpi.definition.kind == "coverage" and other["value"] is not None
    return 0 if nothing or kpi.definition.kind in ADDED_UP else None


def _difference(before: float | None, now: float | None) -> float | None:
    """Of what is answered, not of its nearest fractions of two: 0.3 - 0.1 is 0.2."""
    if before is None or now is None:
        return None
    if isinstance(before, int) and isinstance(now, int):
        return now - before
    return float(Decimal(repr(now)) - Decimal(repr(before)))


def moved(row: Row) -> bool:
    """Whether the row's value is another one now."""
    return bool(row["before"] != row["now"])


def reason_of(event: Event, period: Period, zone: ZoneInfo) -> Reason:
    """Why an event recorded after the period's close moved it."""
    match event.data:
        case Correction():
            return "correction"
        case LeadMerged() | LeadUnmerged():
            return "merge"
        case LeadFields():
            return "learnt"
        case Contract() as contract:
            day = contract.effective_on
        case Spend() as spend:
            day = spend.spent_on
        case _:
            day = business_date(event.time, zone)
    if day <= period.last:
        return "late"
    return "learnt" if isinstance(event.data, LeadCreated) else "other"


def cause(event: Event, period: Period, zone: ZoneInfo) -> RestatementCause:
    """The event as it is shown."""
    return RestatementCause(
        source=event.source,
        id=event.id,
        type=event.type,
        time=rfc3339(event.time),
        recorded_at=rfc3339(event.recorded_at),
        lead_id=event.subject,
        reason=reason_of(event, period, zone),
    )
