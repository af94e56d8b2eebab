"""What the pure part of ingest hands to the transaction, and what comes back."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID, uuid5

import msgspec

from shared.audit import By
from shared.events import Data, Method, Observation
from shared.identity import IdentityKey
from shared.mistakes import FieldError

PRODUCER = "tasuki.ingest"
"""The source of the events that ingest itself makes."""

_NAMES = UUID("5a1d5c0e-6d0b-5f0a-9a53-0d7b8c1f2e64")


def made_id(*parts: str) -> str:
    """The same UUID for the same parts, for ever: an identity where the sender gave none, and that of what follows."""
    return str(uuid5(_NAMES, "\x1f".join(parts)))


class Term(NamedTuple):
    """Something a lead is found by. `company`: the key of its company's name."""

    kind: Literal["email", "phone", "domain", "text", "company", "corporate_number"]
    value: str


class Whom(msgspec.Struct, frozen=True):
    """Which lead an item is about: `lead_id` where the sender knows it, else the lead that the first known key names.

    `create`: whether an unknown lead becomes known by this item.
    """

    lead_id: str | None = None
    keys: tuple[IdentityKey, ...] = ()
    terms: tuple[Term, ...] = ()
    create: bool = True

    @property
    def external_ids(self) -> list[str]:
        return [key.value for key in self.keys if key.kind == "external_id"]


class Activity(msgspec.Struct, frozen=True):
    """One activity that passed every check which needs no database.

    `key` is set where the log's key is no lead (a contract's company, a spend's campaign); `whom` is None there, and
    for a correction that names no lead. `by`: who sent it.
    """

    source: str
    id: str
    name: str
    time: datetime
    data: Data
    digest: bytes
    whom: Whom | None
    by: By
    key: str | None = None
    traceparent: str | None = None

    @property
    def event_id(self) -> str:
        """Id of the event that tells of it: the sender's own."""
        return self.id


class Unmapped(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that came with a submission and became no field: an unknown name, or (`reason`) a wrong value."""

    name: str
    value: Any
    reason: str | None = None


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """One form, hearing or tool result that passed every check which needs no database."""

    source: str
    id: str
    digest: bytes
    method: Method
    whom: Whom
    by: By
    observed_at: datetime
    observations: tuple[Observation, ...]
    campaign: str | None = None
    rep: str | None = None
    unmapped: tuple[Unmapped, ...] = ()
    traceparent: str | None = None

    @property
    def event_id(self) -> str:
        """Id of the lead-fields event that tells of it."""
        return made_id("lead-fields", self.source, self.id)


Status = Literal["accepted", "duplicate", "conflict", "unknown_lead", "erased_lead", "rejected"]


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one item. `created`: its lead became known by it."""

    status: Status
    event_id: str = ""
    lead_id: str | None = None
    created: bool = False
    errors: tuple[FieldError, ...] = ()

    @property
    def taken(self) -> bool:
        """Whether the item is stored, by this request or by an earlier one."""
        return self.status in ("accepted", "duplicate")


def accessed(
    items: Sequence[Activity | Submission], outcomes: Mapping[int, Outcome]
) -> Iterator[tuple[By, str | None]]:
    """Who told something, and of which lead (None: of none), for the audit log; a repetition, too, is answered."""
    for at, item in enumerate(items):
        outcome = outcomes[at]
        if outcome.taken:
            yield item.by, outcome.lead_id


class LeadRow(NamedTuple):
    """All that is stored of one lead and of those merged into it, whose observations are `merged`.

    `submitted`: (observed_at, campaign) of each submission, the earliest first.
    """

    lead_id: str
    seq: int
    stage: str
    recorded_at: datetime
    first_activity_at: datetime | None
    external_ids: list[str]
    domains: list[str]
    submitted: list[tuple[datetime, str | None]]
    observations: list[Observation]
    merged: list[Observation]
    merged_ids: list[str]
