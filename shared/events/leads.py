"""What is known of leads."""

from typing import ClassVar, Literal

import msgspec

from shared.events.common import (
    Data,
    FieldStatus,
    FieldValue,
    LongText,
    Method,
    Name,
    SealableText,
    Text,
    Timestamp,
    check_times,
)


class Observation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One value of one field, as somebody or something once said it."""

    observation_id: str
    field: Name
    method: Method
    source: Name
    observed_at: Timestamp
    value: FieldValue | None = None
    status: FieldStatus | None = None
    by: Name | None = None
    quote: SealableText | None = None

    def __post_init__(self) -> None:
        check_times(self.observed_at)


class LeadCreated(Data, frozen=True, kw_only=True):
    """A lead became known. `via` tells whether fields or only an activity's reference made it known."""

    ALWAYS: ClassVar = {"external_ids": []}

    source: Name
    external_ids: list[str] = msgspec.field(default_factory=list)
    campaign: Name | None = None
    via: Literal["fields", "activity"] = "fields"


class LeadFields(Data, frozen=True, kw_only=True):
    """Observations that came together in one submission. `campaign`: the campaign that this submission came from."""

    observations: list[Observation]
    campaign: Name | None = None


class LeadMerged(Data, frozen=True, kw_only=True):
    """The subject is the same as `into`, which survives."""

    into: Name


class LeadUnmerged(Data, frozen=True, kw_only=True):
    """The subject was merged into `from` by mistake and stands alone again."""

    from_: Name = msgspec.field(name="from")


class LeadConsent(Data, frozen=True, kw_only=True):
    """On what basis the lead may be contacted, or that it may not; `basis` is missing where an opt-out told of none."""

    basis: Literal["consent", "notified", "relationship", "published"] | None = None
    evidence: SealableText
    opted_out_at: Timestamp | None = None
    channels: list[Text] = msgspec.field(default_factory=list)

    def __post_init__(self) -> None:
        check_times(self.opted_out_at)


class LeadErased(Data, frozen=True, kw_only=True):
    """The lead's personal data is gone; what was counted stays counted."""

    reason: LongText
