"""What ingest answers."""

from datetime import datetime
from typing import Any

import msgspec

from ..errors import FieldError
from .common import Words


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


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a lead may be contacted: the basis told last, which basis holds where (`channel`, `basis`; a channel of
    None: everywhere else), what is opted out of, and all that was said."""

    lead_id: str
    basis: str | None = None
    bases: list[dict[str, str | None]] = []
    opted_out: list[dict[str, Any]] = []
    history: list[dict[str, Any]] = []


class Erased(msgspec.Struct, frozen=True):
    """A lead whose personal data is gone."""

    lead_id: str
    erased_at: datetime


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
    """A body that could not be used, and why. Without the scope `admin` the body is blank: its `encoding` is
    `withheld`."""

    id: int
    source: str
    received_at: datetime
    body: str
    encoding: str = "utf-8"
    errors: list[FieldError]
    attempts: int
    resolved_at: datetime | None = None
