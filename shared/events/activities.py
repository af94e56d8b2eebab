"""What was done with leads and customers, and what came of it; and corrections of that."""

from datetime import date
from typing import Literal

import msgspec

from shared.events.common import (
    CallOutcome,
    Channel,
    ContentKind,
    Data,
    Direction,
    HowSet,
    Language,
    LongText,
    Name,
    SealableText,
    Seconds,
    Text,
    Timestamp,
    TouchOutcome,
    check_days,
    check_times,
)
from shared.money import Money

SpendCategory = Literal["marketing", "inside_sales", "sales"]


class Call(Data, frozen=True, kw_only=True):
    """A telephone call with a lead."""

    rep: Name
    direction: Direction
    outcome: CallOutcome
    duration_s: Seconds | None = None
    campaign: Name | None = None


class Touch(Data, frozen=True, kw_only=True):
    """A contact over any channel but the telephone."""

    channel: Channel
    direction: Direction
    rep: Name | None = None
    outcome: TouchOutcome | None = None
    duration_s: Seconds | None = None
    campaign: Name | None = None


class ContentUsed(Data, frozen=True, kw_only=True):
    """A rep used a piece of content (config/outreach/) for a lead; `content` is its id."""

    rep: Name
    content: Name
    kind: ContentKind
    language: Language
    channel: Channel | None = None
    occasion: Name | None = None


class AcceptedBy(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who on the customer's side said yes to the appointment."""

    name: SealableText | None = None
    title: SealableText | None = None
    has_authority: bool | None = None


class Appointment(Data, frozen=True, kw_only=True):
    """An appointment as it was really set, and what became of it."""

    appointment_id: Name
    status: Literal["set", "held", "cancelled", "no_show"]
    rep: Name
    scheduled_for: Timestamp | None = None
    accepted_by: AcceptedBy | None = None
    how_set: HowSet | None = None
    pressured: bool | None = None
    problem_clear: bool | None = None
    contact_state: SealableText | None = None
    note: SealableText | None = None

    def __post_init__(self) -> None:
        check_times(self.scheduled_for)


class Opportunity(Data, frozen=True, kw_only=True):
    """A step in the life of a sales opportunity."""

    opportunity_id: Name
    status: Literal["created", "valid", "invalid", "won", "lost"]
    amount: Money | None = None
    credited_rep: Name | None = None
    owner: Name | None = None
    product: Text | None = None
    reason: LongText | None = None


class Contract(Data, frozen=True, kw_only=True):
    """A step in the life of a contract; `arr` is its annual recurring revenue."""

    contract_id: Name
    company: Name
    status: Literal["started", "changed", "ended"]
    effective_on: date
    arr: Money | None = None

    def __post_init__(self) -> None:
        check_days(self.effective_on)


class Spend(Data, frozen=True, kw_only=True):
    """Money spent on winning customers."""

    amount: Money
    category: SpendCategory
    spent_on: date
    campaign: Name | None = None

    def __post_init__(self) -> None:
        check_days(self.spent_on)


class Identity(msgspec.Struct, frozen=True, order=True):
    """What makes an event the same event."""

    source: Name
    id: Name


class Correction(Data, frozen=True, kw_only=True):
    """Says that an earlier (or still awaited) event never was, or was otherwise.

    `data` is the whole new data in the form of the activity's HTTP object; it may hold a new `occurred_at`.
    """

    corrects: Identity
    action: Literal["void", "replace"]
    data: dict[str, msgspec.Raw] | None = None
