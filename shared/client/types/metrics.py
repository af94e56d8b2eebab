"""What metrics answers."""

from datetime import datetime
from typing import Any

import msgspec

from .common import Words


class Kpi(msgspec.Struct, frozen=True, kw_only=True):
    """One KPI of the catalogue."""

    id: str
    name: Words
    definition: Words
    purpose: Words
    unit: str
    kind: str
    class_: str = msgspec.field(name="class")
    dimensions: list[str] = []
    owner: str | None = None


class KpiRows(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of a KPI: `period`, a key for each dimension asked for, `value`, and what it was made from."""

    kpi: str
    unit: str
    grain: str
    timezone: str
    rows: list[dict[str, Any]]


class KpiValues(KpiRows, frozen=True, kw_only=True):
    """The answer to one question, and how far the numbers were."""

    as_of: dict[str, Any]


class AllValues(msgspec.Struct, frozen=True, kw_only=True):
    """The answers to several questions in their order, all of one moment."""

    answers: list[KpiRows]
    as_of: dict[str, Any]


class KpiScore(msgspec.Struct, frozen=True, kw_only=True):
    """One KPI of a scorecard, money per currency in major units; without a target it does not count."""

    kpi: str
    weight: float
    actual: float | None = None
    target: float | None = None
    expected: float | None = None
    pace: float | None = None
    attainment: float | None = None
    currency: str | None = None
    by: str = ""


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """What was reached; `score` is None where nothing that counts has a target."""

    score: float | None
    kpis: list[KpiScore]
    without_target: list[str] = []
    business_days: dict[str, int] | None = None


class MemberScore(Score, frozen=True, kw_only=True):
    """What one member reached."""

    member: str
    name: str


class Scorecard(msgspec.Struct, frozen=True, kw_only=True):
    """The members of a role in a period, and all of them together."""

    role: str
    grain: str
    period: str
    cap: float
    members: list[MemberScore]
    total: Score
    as_of: dict[str, Any] = {}


class Rebuilding(msgspec.Struct, frozen=True, kw_only=True):
    """A rebuild that runs, or the last one: `events` of about `events_total` are gone through."""

    running: bool
    events: int
    events_total: int
    started_at: datetime | None = None
    finished_at: datetime | None = None


class Rebuilt(msgspec.Struct, frozen=True, kw_only=True):
    """What a rebuild went through."""

    events: int


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How far the numbers are; `lag` 0: all that is in the log is in them."""

    processed: int
    duplicates: int
    dead_lettered: int
    lag: int
    last_event_at: datetime | None = None
