"""What handoff answers."""

from datetime import datetime
from typing import Any

import msgspec

from .common import Words


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


class AppointmentTold(msgspec.Struct, frozen=True, kw_only=True):
    """Who told of the appointment and when last. `origin`: the `request` that handed the lead over, or the `activities`
    before it, `events` by their `source` and `id`, with the appointment's `status` by then."""

    origin: str
    rep: str
    at: datetime
    status: str | None = None
    events: list[dict[str, str]] = []


class Package(Handoff, frozen=True, kw_only=True):
    """Everything that sales sees of a handoff. `owners`: everybody who has had it, in order; `override`: why the lead
    was handed over although it was not ready, and who allowed it; `bant`: what was heard of each; `open_questions`:
    what nobody has answered yet."""

    readiness: Readiness
    routed: Routed | None = None
    owners: list[Owner] = []
    appointment: dict[str, Any] | None = None
    override: dict[str, Any] | None = None
    bant: dict[str, dict[str, Any]] = {}
    appointment_told: AppointmentTold | None = None
    defined: list[dict[str, Any]] = []
    open_questions: list[Words] = []
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
