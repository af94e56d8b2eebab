"""What ingest answers about imports. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from shared.mistakes import FieldError


class ImportAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """How far an import is. `bytes`, `bytes_read`: of its file; `rows`: as many as were read, each of them `created` a
    lead, told something of a `known` one, was a duplicate or was rejected; `incomplete`: of those that were taken, rows
    with a value that was wrong and is kept aside. `unmapped`: columns that are no field of ours."""

    id: str
    source: str
    dry_run: bool
    state: Literal["receiving", "waiting", "running", "done", "failed"]
    received_at: datetime
    bytes: int
    bytes_read: int
    rows: int
    created: int
    known: int
    duplicates: int
    rejected: int
    incomplete: int
    encoding: str | None = None
    delimiter: str | None = None
    columns: Sequence[str] = ()
    unmapped: Sequence[str] = ()
    finished_at: datetime | None = None
    reason: str | None = None


class RejectedRow(msgspec.Struct, frozen=True):
    """A row that was not taken: its number as a spreadsheet counts (the header is row 1), why, and its cells."""

    row: int
    errors: Sequence[FieldError]
    cells: Sequence[str]


class ImportReport(ImportAnswer, frozen=True, kw_only=True):
    """An import with a page of its rejected rows, in the order of the file."""

    items: Sequence[RejectedRow] = msgspec.field(default_factory=list)
    next_cursor: str | None = None


class ImportPage(msgspec.Struct, frozen=True):
    """Imports, the latest first."""

    items: list[ImportAnswer]
    next_cursor: str | None
