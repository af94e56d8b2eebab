"""What clients send: bodies and queries."""

from typing import Annotated, ClassVar, Final

import msgspec

from services.handoff.appointment import AppointmentForm
from services.handoff.outcomes import Status
from shared.events import Language, LongText, Name, ReturnReason, Timestamp, check_times
from shared.web import Paging

Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)]

POLICY: Final = {
    "criteria": {
        "needs_confirmed": {
            "field": "needs",
            "is": "confirmed",
            "label": {"ja": "ニーズ確認済み", "en": "Needs confirmed"},
        }
    },
    "segments": [
        {
            "id": "all",
            "label": {"ja": "すべて", "en": "All"},
            "when": {"field": "employees", "at_least": 1},
            "require": ["needs_confirmed"],
        }
    ],
    "unknown_segment": {"require": ["needs_confirmed"], "ask": ["employees"]},
    "routing": {
        "all": {"members": ["sato", "suzuki"], "method": "round_robin"},
        "unknown": {"members": ["sato"], "method": "least_open"},
    },
    "accept_within": {"hours": 4, "calendar": "business"},
    "automatic": False,
}
"""A policy as it may be sent, for the documentation."""


class Override(msgspec.Struct, frozen=True):
    """Why a lead is handed over although it is not ready."""

    reason: Reason


class HandoffForm(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /v1/handoffs`: the inside-sales rep hands a lead over and says why now."""

    EXAMPLE: ClassVar = {
        "lead_id": "01a20d5f-a087-7049-84d3-1eaa89cbb2c7",
        "rep": "tanaka",
        "reason": "The head of sales wants to stop counting by hand before April",
        "appointment": {
            "scheduled_for": "2026-11-27T14:00:00+09:00",
            "how_set": "call",
            "pressured": False,
            "problem_clear": True,
        },
    }

    lead_id: Name
    rep: Name
    reason: Reason
    appointment: AppointmentForm | None = None
    override: Override | None = None


class AcceptForm(msgspec.Struct, frozen=True):
    """`POST /v1/handoffs/{id}/accept`"""

    EXAMPLE: ClassVar = {"sales_rep": "sato"}

    sales_rep: Name


class ReturnForm(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /v1/handoffs/{id}/return`"""

    EXAMPLE: ClassVar = {
        "sales_rep": "sato",
        "reason": "unreachable",
        "comment": "Three calls in five days, and no answer",
    }

    sales_rep: Name
    reason: ReturnReason
    comment: LongText | None = None


class ReassignForm(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /v1/handoffs/{id}/reassign`: who gets it now and why; `sales_rep`: who says so, the API key where nobody is
    named. `extend`: whether the time in which it has to be answered begins anew."""

    EXAMPLE: ClassVar = {"owner": "suzuki", "reason": "sato is away this week", "extend": True}

    owner: Name
    reason: Reason
    sales_rep: Name | None = None
    extend: bool = False


class RecycleForm(msgspec.Struct, frozen=True):
    """`POST /v1/leads/{id}/recycle`"""

    EXAMPLE: ClassVar = {"reason": "The budget comes with the next fiscal year"}

    reason: Reason


class InboxPosition(msgspec.Struct, frozen=True, array_like=True):
    """Where a page of the inbox goes on: after the handoff of this due time and id."""

    due_at: Timestamp
    handoff_id: str

    def __post_init__(self) -> None:
        check_times(self.due_at)


class InboxQuery(Paging, kw_only=True):
    """`GET /v1/handoffs`. `overdue`: whether the time was over when it was decided, or is while nobody has."""

    status: Status | None = None
    owner: str | None = None
    segment: str | None = None
    rep: str | None = None
    lead_id: str | None = None
    overdue: bool | None = None


class ChangesQuery(msgspec.Struct, kw_only=True):
    """`GET /v1/policies/{id}/versions/{n}/changes`: compared to which version; to the one before unless given."""

    since: Annotated[int, msgspec.Meta(ge=1, le=10**9)] | None = None


class PeriodQuery(msgspec.Struct, kw_only=True, rename={"from_": "from"}):
    """`GET /v1/handoffs/results`, `GET /v1/stages`: from which day to which, both included; without an end: all."""

    from_: str | None = None
    to: str | None = None


class HistoryQuery(msgspec.Struct):
    """How many of the newest."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=500)] = 100


class PageQuery(msgspec.Struct, kw_only=True):
    """`GET /v1/handoffs/{id}/page`: in which language; that of `Accept-Language` unless given, else Japanese."""

    language: Language | None = None


class ContentQuery(PeriodQuery, kw_only=True):
    """`GET /v1/content/results`: content used in a period, and what followed within so many days."""

    within_days: Annotated[int, msgspec.Meta(ge=1, le=366)] = 14
