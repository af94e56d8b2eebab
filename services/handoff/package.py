"""The package: what sales sees of a handoff. Nothing is prettified: what nobody knows is null or `unknown`."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from math import floor
from typing import Any, NamedTuple

import msgspec

from services.handoff.appointment import (
    AppointmentForm,
    AppointmentTold,
    DefinedAnswer,
    answers,
    handed_over,
    open_questions,
)
from services.handoff.corrections import Fact
from services.handoff.decide import Readiness
from services.handoff.outcomes import Status
from services.handoff.owners import Reassigned
from services.handoff.routing import Routed
from services.handoff.store import Handoff, Overridden
from services.handoff.words import Definitions
from shared.events import FieldStatus, FieldValue, Observation, Opportunity, PolicyVersion
from shared.words import Words

BANT = ("needs", "budget", "authority", "timeframe")
HISTORY_MAX = 500

Activity = dict[str, Any]
"""An activity as it counts now: `type`, `occurred_at`, `source`, `id`, and the data of its type."""


class Summary(msgspec.Struct, kw_only=True):
    """A handoff as the inbox lists it. `lead_id`: the lead, its survivor where it was merged since; `overdue`: whether
    its time was over when it was decided, or is while nobody has; `due_in_s`: seconds that sales has left, negative
    when the time is over, null when it is decided."""

    handoff_id: str
    lead_id: str
    company_name: FieldValue | None
    status: Status
    rep: str
    owner: str
    due_at: datetime
    reason: str
    segment: str
    policy: PolicyVersion
    overridden: bool
    automatic: bool
    cycle: int
    created_at: datetime
    decided_at: datetime | None
    sales_rep: str | None
    overdue: bool
    due_in_s: int | None


class Heard(msgspec.Struct):
    """What was heard of one of needs, budget, authority, timeframe, in the customer's words where there are any."""

    status: FieldStatus = "unknown"
    value: FieldValue | None = None
    quote: str | None = None
    by: str | None = None
    observed_at: datetime | None = None


class Outcome(msgspec.Struct, kw_only=True):
    """What came of it: the decision of sales, and the lead's opportunities as they stand, the last moved first."""

    status: Status
    decided_at: datetime | None
    sales_rep: str | None
    reason: str | None
    comment: str | None
    opportunities: list[dict[str, Any]]


class Changed(msgspec.Struct):
    """What was believed of a field when the lead was handed over before, and now."""

    field: str
    before: Observation | None
    now: Observation | None


class Resubmission(msgspec.Struct, kw_only=True):
    """That sales had returned the lead, why, and what has changed since it was handed over then."""

    handoff_id: str
    returned_at: datetime | None
    sales_rep: str | None
    reason: str | None
    comment: str | None
    changed: list[Changed]


class Owner(msgspec.Struct, kw_only=True, rename={"from_": "from"}):
    """Who had a handoff from when on; who gave it to him or her (an API key where no person was named), and why."""

    owner: str
    from_: datetime
    by: str
    reason: str | None


class Package(Summary, kw_only=True):
    """Everything of a handoff. `readiness`, `bant` and `fields` are as of then, `history` and `outcome` as of now.
    `routed`: why it went to whom it went first, null where an older release made it; `owners`: everybody who has had
    it, in order. `resubmits`: where the handoff of the lead before this one was returned. `appointment`: as the request
    told it, else as activities did that happened by then, with late ones and corrections. `defined`: each question that
    defines an appointment with what was told of it (`definitions_version`: of definitions.yaml); `open_questions`: what
    nobody has answered yet."""

    created_by: str
    override: Overridden | None
    readiness: Readiness
    bant: dict[str, Heard]
    fields: dict[str, Observation]
    appointment: AppointmentForm | None
    appointment_told: AppointmentTold | None
    definitions_version: int | None
    defined: list[DefinedAnswer]
    open_questions: list[Words]
    routed: Routed | None
    owners: list[Owner]
    resubmits: Resubmission | None
    history: list[Activity]
    content_sent: list[Activity]
    outcome: Outcome


class Around(NamedTuple):
    """What is known around a handoff: the lead's latest activities as they count now and the latest of those that sent
    it content, newest first, all that was told of its appointments and opportunities, its last handoff before this one,
    and each time that this one was given to somebody else, in order."""

    history: Sequence[Fact]
    content: Sequence[Fact]
    told: Sequence[Fact]
    before: Handoff | None
    reassigned: Sequence[Reassigned]


def summary(handoff: Handoff, now: datetime) -> Summary:
    """The line of the inbox."""
    return Summary(**_line(handoff, now))


def package(handoff: Handoff, around: Around, definitions: Definitions, now: datetime) -> Package:
    """The whole package."""
    appointment, told = handed_over(handoff.appointment, handoff.rep, handoff.created_at, around.told) or (None, None)
    before = around.before
    defined = answers(definitions.appointment, appointment)
    return Package(
        **_line(handoff, now),
        created_by=handoff.created_by,
        override=handoff.override,
        readiness=handoff.readiness,
        bant={field: _heard(handoff.inputs.get(field)) for field in BANT},
        fields=handoff.inputs,
        appointment=appointment,
        appointment_told=told,
        definitions_version=definitions.version,
        defined=defined,
        open_questions=open_questions(handoff.readiness.missing, defined),
        routed=handoff.routed,
        owners=_owners(handoff, around.reassigned),
        resubmits=_resubmission(handoff, before) if before and before.status == "returned" else None,
        history=[activity_of(fact) for fact in around.history],
        content_sent=[activity_of(fact) for fact in around.content],
        outcome=Outcome(
            status=handoff.status,
            decided_at=handoff.decided_at,
            sales_rep=handoff.sales_rep,
            reason=handoff.return_reason,
            comment=handoff.comment,
            opportunities=_opportunities(around.told),
        ),
    )


def _resubmission(handoff: Handoff, before: Handoff) -> Resubmission:
    fields = sorted(before.inputs.keys() | handoff.inputs.keys())
    pairs = [Changed(field, before.inputs.get(field), handoff.inputs.get(field)) for field in fields]
    return Resubmission(
        handoff_id=before.handoff_id,
        returned_at=before.decided_at,
        sales_rep=before.sales_rep,
        reason=before.return_reason,
        comment=before.comment,
        changed=[pair for pair in pairs if pair.before != pair.now],
    )


def _owners(handoff: Handoff, reassigned: Sequence[Reassigned]) -> list[Owner]:
    first = reassigned[0].owner if reassigned else handoff.owner
    given = [Owner(owner=r.new_owner, from_=r.at, by=r.by, reason=r.reason) for r in reassigned]
    return [Owner(owner=first, from_=handoff.created_at, by=handoff.created_by, reason=None), *given]


def _line(handoff: Handoff, now: datetime) -> dict[str, Any]:
    same = {f.name for f in msgspec.structs.fields(Summary)} & {f.name for f in msgspec.structs.fields(Handoff)}
    company = handoff.inputs.get("company_name")
    waits = handoff.status == "pending"
    return {name: getattr(handoff, name) for name in same} | {
        "lead_id": handoff.counts_as,
        "company_name": company.value if company else None,
        "overridden": handoff.override is not None,
        "overdue": handoff.due_at <= (handoff.decided_at or now),
        "due_in_s": floor((handoff.due_at - now).total_seconds()) if waits else None,
    }


def _heard(said: Observation | None) -> Heard:
    return Heard(said.status or "unknown", said.value, said.quote, said.by, said.observed_at) if said else Heard()


def activity_of(fact: Fact) -> Activity:
    """An activity as it is answered."""
    data: dict[str, Any] = msgspec.to_builtins(fact.data, builtin_types=(datetime,))
    return {"type": fact.name, "occurred_at": fact.time, "source": fact.source, "id": fact.id} | data


def _opportunities(told: Iterable[Fact]) -> list[dict[str, Any]]:
    """Each with the latest known of its attributes, the last moved first."""
    found: dict[str, dict[str, Any]] = {}
    for fact in sorted(told, key=lambda fact: fact.order, reverse=True):  # what is set already is later
        if isinstance(fact.data, Opportunity):
            known = found.setdefault(fact.data.opportunity_id, {"status_at": fact.time})
            for name, value in msgspec.to_builtins(fact.data).items():
                known.setdefault(name, value)
    return list(found.values())
