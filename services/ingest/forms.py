"""What may be posted to ingest: the outer form of each request. What the fields may hold, the field registry says."""

from typing import Annotated, Any, ClassVar, Literal

import msgspec

from shared.events import Channel, FieldStatus, LongText, Name, Text, Timestamp

Basis = Literal["consent", "notified", "relationship", "published"]
ContactChannel = Channel | Literal["call"]
MAX_ACTIVITIES = 1_000
MAX_FIELDS = 500

Fields = Annotated[dict[str, Any], msgspec.Meta(max_length=MAX_FIELDS)]


class LeadForm(msgspec.Struct, frozen=True):
    """A typed form submission. `observed_at`: now, unless given.

    Each request is a submission of its own, whatever was sent before, but one that is repeated with its
    `Idempotency-Key`.
    """

    EXAMPLE: ClassVar = {
        "fields": {"email": "yamada@example.co.jp", "company_name": "株式会社例", "employees": 350},
        "campaign": "autumn-seminar",
    }

    fields: Fields
    external_id: Name | None = None
    observed_at: Timestamp | None = None
    campaign: Name | None = None


class HearingAnswer(msgspec.Struct, frozen=True):
    """What the lead said about one field; a confirmation (BANT) needs `status`, every other field `value`, or the
    `status` unknown: it was asked, and what is known stays."""

    status: FieldStatus | None = None
    value: Any = None
    quote: LongText | None = None


class HearingForm(msgspec.Struct, frozen=True):
    """What a rep heard from a lead."""

    EXAMPLE: ClassVar = {
        "rep": "tanaka",
        "heard_at": "2026-11-20T10:00:00+09:00",
        "channel": "call",
        "answers": {
            "needs": {"status": "confirmed", "quote": "手作業の集計をやめたい"},
            "timeframe": {"status": "unknown"},
        },
    }

    rep: Name
    heard_at: Timestamp
    channel: Annotated[str, msgspec.Meta(max_length=200)]
    answers: Annotated[dict[str, HearingAnswer], msgspec.Meta(min_length=1, max_length=MAX_FIELDS)]


class ToolResultForm(msgspec.Struct, frozen=True):
    """What a tool found out about a lead."""

    EXAMPLE: ClassVar = {
        "tool": "company-register",
        "observed_at": "2026-11-20T10:00:00+09:00",
        "fields": {"employees": 350},
    }

    tool: Name
    observed_at: Timestamp
    fields: Annotated[dict[str, Any], msgspec.Meta(min_length=1, max_length=MAX_FIELDS)]


class MergeForm(msgspec.Struct, frozen=True):
    """The lead that survives."""

    EXAMPLE: ClassVar = {"into": "01a20d5f-a087-7049-84d3-1eaa89cbb2c7"}

    into: Name


class ConsentForm(msgspec.Struct, frozen=True):
    """On what basis a lead may be contacted, and how that is known; with `opted_out_at`, that it may not be any more.

    `channels`: where this holds, and nowhere else; everywhere when none is named. That of `email` holds for
    `newsletter` and `auto_email`, too.
    """

    EXAMPLE: ClassVar = {
        "basis": "consent",
        "evidence": "ticked the box of the form of 2026-11-20",
        "channels": ["email"],
    }

    basis: Basis
    evidence: Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)]
    opted_out_at: Timestamp | None = None
    channels: Annotated[list[ContactChannel], msgspec.Meta(max_length=50)] = []


class EraseForm(msgspec.Struct, frozen=True):
    """Why a lead is erased."""

    EXAMPLE: ClassVar = {"reason": "asked for by the person on 2026-11-20"}

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]


class LeadReference(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whom an activity is about, for a sender that does not know our lead id."""

    external_id: Name | None = None
    email: Text | None = None
    phone: Text | None = None
    domain: Text | None = None
    website: Text | None = None


class ActivityEnvelope(msgspec.Struct, frozen=True):
    """What every activity has beside the data of its type."""

    type: Name
    occurred_at: Timestamp
    id: Name | None = None
    source: Name | None = None
    lead_id: str | None = None
    lead: LeadReference | None = None
