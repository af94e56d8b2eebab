"""What services answer, as far as a caller needs it. Fields that we do not know are ignored: services may add some."""

from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

from .errors import FieldError

T = TypeVar("T")

Words = dict[str, str]
"""A text in several languages: `{"ja": ..., "en": ...}`."""


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A page of a list; `next_cursor` is None on the last one."""

    items: list[T]
    next_cursor: str | None = None


# --- ingest ---------------------------------------------------------------------------------------------------------


class FieldValue(msgspec.Struct, frozen=True, kw_only=True):
    """The believed value of a field and where it is from; `value` has the form of the field's type."""

    method: str
    source: str
    observed_at: datetime
    observation_id: str = ""
    value: Any = None
    status: str | None = None
    by: str | None = None
    quote: str | None = None


class Lead(msgspec.Struct, frozen=True, kw_only=True):
    """A lead as it is known now."""

    lead_id: str
    stage: str
    fields: dict[str, FieldValue]
    created_at: datetime
    external_ids: list[str] = []
    campaign: str | None = None
    company: dict[str, Any] = {}


class Observed(FieldValue, frozen=True, kw_only=True):
    """One value that was once given; `winner`: it is the believed one."""

    field: str
    winner: bool = False


class TagScan(msgspec.Struct, frozen=True, kw_only=True):
    """The last look at a lead's website: queued, running, done with its tags, or failed with a reason."""

    lead_id: str
    scan_id: str
    state: str
    requested_at: datetime
    attempts: int
    next_attempt_at: datetime | None = None
    website: str | None = None
    observed_at: datetime | None = None
    tags: list[str] | None = None
    finished_at: datetime | None = None
    reason: str | None = None


class FieldInfo(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the field registry."""

    id: str
    type: str
    scope: str
    precedence: list[str]
    label: Words
    ask: Words | None = None
    personal_data: bool = False


class ActivityResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one activity: `accepted`, `duplicate` or `rejected`."""

    index: int
    status: str
    event_id: str | None = None
    lead_id: str | None = None
    errors: list[FieldError] = []


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """How far an import is; `state`: receiving, waiting, running, done or failed (`reason` says why)."""

    id: str
    source: str
    state: str
    received_at: datetime
    dry_run: bool = False
    bytes: int = 0
    bytes_read: int = 0
    rows: int = 0
    created: int = 0
    known: int = 0
    duplicates: int = 0
    rejected: int = 0
    incomplete: int = 0
    unmapped: list[str] = []
    finished_at: datetime | None = None
    reason: str | None = None

    @property
    def is_over(self) -> bool:
        return self.state in ("done", "failed")


class RejectedRow(msgspec.Struct, frozen=True):
    """A row of a file that was not taken; the header is row 1."""

    row: int
    errors: list[FieldError]
    cells: list[str]


class ImportReport(Import, frozen=True, kw_only=True):
    """An import with a page of its rejected rows."""

    items: list[RejectedRow] = []
    next_cursor: str | None = None


class ActivityReceipt(msgspec.Struct, frozen=True):
    """What became of the activities of one request."""

    accepted: int
    duplicates: int
    results: list[ActivityResult]


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """A body that could not be used, and why."""

    id: int
    source: str
    received_at: datetime
    body: str
    errors: list[FieldError]
    attempts: int
    resolved_at: datetime | None = None


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A record of the log that a service could not understand: where it stands, and why."""

    id: str
    topic: str
    partition: int
    offset: int
    reason: str
    error: str = ""


# --- handoff --------------------------------------------------------------------------------------------------------


class Policy(msgspec.Struct, frozen=True):
    """A version of a policy."""

    id: str
    version: int


class Criterion(msgspec.Struct, frozen=True, kw_only=True):
    """How one criterion turned out (`met`, `unmet`, `unknown`) and on what evidence."""

    id: str
    label: Words
    result: str
    evidence: list[dict[str, Any]] = []
    contradicting: list[dict[str, Any]] = []


class Missing(msgspec.Struct, frozen=True):
    """A field to ask for, and how."""

    field: str
    ask: Words | None = None


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a lead may be handed over: `ready`, `not_ready` or `needs_information`."""

    lead_id: str
    stage: str
    policy: Policy
    segment: str
    decision: str
    criteria: list[Criterion]
    missing: list[Missing]
    as_of: dict[str, Any] = {}


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A field to ask for; `reasons` says why (`why`: criterion, segment, stage, rank), the most urgent first."""

    field: str
    label: Words
    ask: Words
    reasons: list[dict[str, Any]] = []
    said: dict[str, Any] | None = None


class Questions(msgspec.Struct, frozen=True, kw_only=True):
    """What to ask a lead next, the most urgent first."""

    lead_id: str
    stage: str
    segment: str
    policy: Policy
    items: list[Question]


class OwnKey(msgspec.Struct, frozen=True):
    """The name and the scopes of the client's own key; `admin` holds all others."""

    name: str
    scopes: list[str]

    def may(self, scope: str) -> bool:
        return scope in self.scopes or "admin" in self.scopes


class Handoff(msgspec.Struct, frozen=True, kw_only=True):
    """A handoff as the inbox lists it: `pending`, `accepted` or `returned`. `due_in_s`: seconds that sales has left,
    negative when the time is over, None when it is decided."""

    handoff_id: str
    lead_id: str
    status: str
    rep: str
    owner: str
    due_at: datetime
    reason: str
    segment: str
    policy: Policy
    company_name: str | None = None
    overdue: bool = False
    due_in_s: int | None = None


class LeadHistory(msgspec.Struct, frozen=True, kw_only=True):
    """What happened with a lead: each item has `type`, `occurred_at`, and the data of its type; the newest first."""

    lead_id: str
    items: list[dict[str, Any]]


class Routed(msgspec.Struct, frozen=True, kw_only=True):
    """Why a handoff went to whom it went: by which rule, and whom else it looked at (`member`, `open`, `skipped`)."""

    rule: str
    reason: Words
    candidates: list[dict[str, Any]] = []


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """Who had a handoff from when on, who gave it to him or her, and why."""

    owner: str
    from_: datetime = msgspec.field(name="from")
    by: str
    reason: str | None = None


class Package(Handoff, frozen=True, kw_only=True):
    """Everything that sales sees of a handoff. `owners`: everybody who has had it, in order."""

    readiness: Readiness
    routed: Routed | None = None
    owners: list[Owner] = []
    appointment: dict[str, Any] | None = None
    defined: list[dict[str, Any]] = []
    history: list[dict[str, Any]] = []
    outcome: dict[str, Any] | None = None


class StageEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a lead's way."""

    stage: str
    cycle: int
    entered_at: datetime
    from_: str | None = msgspec.field(name="from", default=None)
    rule: str | None = None
    by: str | None = None
    reason: str | None = None


class Stages(msgspec.Struct, frozen=True, kw_only=True):
    """Where a lead stands, and how it came there."""

    lead_id: str
    stage: str
    items: list[StageEntry]
    next_cursor: str | None = None


# --- metrics --------------------------------------------------------------------------------------------------------


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


# --- outreach -------------------------------------------------------------------------------------------------------


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A template; its text only where one was asked for. `values`: what it may be told: its `label`, if `required`."""

    id: str
    label: Words
    occasion: str
    channel: str
    promotional: bool
    required: list[str] = []
    values: dict[str, dict[str, Any]] = {}
    language: str | None = None
    subject: str | None = None
    body: str | None = None


class Snippet(msgspec.Struct, frozen=True, kw_only=True):
    """A snippet and what a rep types to get it."""

    id: str
    key: str
    label: Words
    language: str
    text: str
    tags: list[str] = []


class Talk(msgspec.Struct, frozen=True, kw_only=True):
    """A chalk talk; its text only where one was asked for."""

    id: str
    label: Words
    product: str
    audience: list[str]
    minutes: int
    language: str | None = None
    text: str | None = None


class CaseStudy(msgspec.Struct, frozen=True, kw_only=True):
    """A case study; its text only where one was asked for. `why`: why it fits the lead of the question."""

    id: str
    label: Words
    customer: Words
    industry: str
    usage: list[str]
    employees: int
    result: Words
    product: str | None = None
    why: list[Words] = []
    language: str | None = None
    text: str | None = None


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """That a piece of content was used for a lead."""

    use_id: str
    lead_id: str
    rep: str
    kind: str
    content: str
    language: str
    used_at: datetime
    channel: str | None = None
    occasion: str | None = None


class RenderedText(msgspec.Struct, frozen=True, kw_only=True):
    """A text for a lead. `missing`: names that it shows a mark for; `mailto` opens it in the user's mail program."""

    lead_id: str
    language: str
    body: str
    missing: list[str]
    subject: str | None = None
    channel: str | None = None
    headers: dict[str, str] = {}
    mailto: str | None = None
    use: Use | None = None
