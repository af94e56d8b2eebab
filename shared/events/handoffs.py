"""What handoff decides: stages, and leads handed to sales."""

from typing import ClassVar

import msgspec

from shared.events.common import Data, Name, ReturnReason, SealableText, Text, Timestamp


class PolicyVersion(msgspec.Struct, frozen=True):
    """A version of a policy; versions never change."""

    id: Name
    version: int


class StageChanged(Data, frozen=True, kw_only=True):
    """The lead entered a stage. `rule` names what of stages.yaml (or which event) brought it there."""

    ALWAYS: ClassVar = {"from": None}

    from_: Name | None = msgspec.field(name="from", default=None)
    to: Name
    cycle: int
    rule: Text


class HandoffCreated(Data, frozen=True, kw_only=True):
    """Inside sales handed the lead over."""

    ALWAYS: ClassVar = {"overridden": False}

    handoff_id: Name
    rep: Name
    owner: Name
    segment: Name
    policy: PolicyVersion
    overridden: bool = False


class HandoffAccepted(Data, frozen=True, kw_only=True):
    """Sales took the lead."""

    handoff_id: Name
    sales_rep: Name


class HandoffReturned(Data, frozen=True, kw_only=True):
    """Sales gave the lead back."""

    handoff_id: Name
    sales_rep: Name
    reason: ReturnReason
    comment: SealableText | None = None


class HandoffDueSoon(Data, frozen=True, kw_only=True):
    """Nobody has decided yet, and the time in which to do so is nearly over. Told by webhooks alone."""

    handoff_id: Name
    owner: Name
    due_at: Timestamp


class HandoffReassigned(Data, frozen=True, kw_only=True):
    """A handoff that waits was given to another member of sales. Told by webhooks alone."""

    handoff_id: Name
    owner: Name
    previous_owner: Name
    due_at: Timestamp


class HandoffOverdue(Data, frozen=True, kw_only=True):
    """Nobody decided in time."""

    handoff_id: Name
