"""From the rows of a file to submissions, or to why a row is none. Pure."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from services.ingest.activities import Refused
from services.ingest.imports.rows import UNFIT, Row
from services.ingest.items import Outcome, Submission
from services.ingest.mapping import OWN_NAMES
from services.ingest.providers.base import Form
from services.ingest.submissions import Arrival, read_entry
from shared.config.sources import EXTERNAL_ID, Source
from shared.fields import FieldRegistry
from shared.mistakes import FieldError
from shared.spreadsheet import meant

ANY_DAY = ""
"""The day of an `Arrival` whose rows are the same on whatever day they come again."""

_REFUSED = {
    "erased_lead": "its lead was erased, and what was erased cannot be given again",
    "conflict": "the same row came before with other content",
}


class Rejected(NamedTuple):
    """A row that was not taken, its cells fit to be stored."""

    row: int
    errors: Sequence[FieldError]
    cells: list[str]


class Tally(NamedTuple):
    """How many rows were read, and what became of them. `incomplete`: taken without a value that was wrong."""

    rows: int = 0
    created: int = 0
    known: int = 0
    duplicates: int = 0
    rejected: int = 0
    incomplete: int = 0


class Judged(NamedTuple):
    """Rows that can be taken, each with its submission, and the others."""

    taken: list[tuple[Row, Submission]]
    rejected: list[Rejected]


def judge(
    rows: Sequence[Row],
    columns: Sequence[str],
    source: Source,
    registry: FieldRegistry,
    at: Arrival,
) -> Judged:
    """A row is one submission of the source, whose identity is its content."""
    judged = Judged([], [])
    for row in rows:
        try:
            judged.taken.append((row, _read(row, columns, source, registry, at)))
        except Refused as refused:
            judged.rejected.append(rejected(row, refused.errors))
    return judged


def tally(judged: Judged, outcomes: Sequence[Outcome]) -> tuple[Tally, list[Rejected]]:
    """`outcomes`: of the rows that could be taken, in their order. All rejected rows in the order of the file."""
    refused = list(judged.rejected)
    created = known = duplicates = incomplete = 0
    for (row, submission), outcome in zip(judged.taken, outcomes, strict=True):
        if outcome.status == "accepted":
            created += outcome.created
            known += not outcome.created
            incomplete += any(name.reason for name in submission.unmapped)
        elif outcome.status == "duplicate":
            duplicates += 1
        else:
            refused.append(rejected(row, [FieldError("", _REFUSED.get(outcome.status, outcome.status))]))
    rows = len(judged.taken) + len(judged.rejected)
    return Tally(rows, created, known, duplicates, len(refused), incomplete), sorted(refused)


def rejected(row: Row, errors: Sequence[FieldError]) -> Rejected:
    """A row that is not taken."""
    return Rejected(row.number, errors, [UNFIT.sub("\ufffd", cell) for cell in row.cells])


def unmapped_columns(columns: Sequence[str], source: Source, registry: FieldRegistry) -> list[str]:
    """Columns that are no field of ours: what stands in them is kept beside the lead."""
    return [name for name in columns if not _is_ours(name, source, registry, OWN_NAMES)]


def has_field(columns: Sequence[str], source: Source, registry: FieldRegistry) -> bool:
    """Whether any column says something of a lead."""
    return any(_is_ours(name, source, registry, (EXTERNAL_ID,)) for name in columns)


def _is_ours(name: str, source: Source, registry: FieldRegistry, own: Collection[str]) -> bool:
    return name in source.fields or name in registry or name in own


def _read(row: Row, columns: Sequence[str], source: Source, registry: FieldRegistry, at: Arrival) -> Submission:
    if row.wrong is None and len(row.cells) != len(columns):
        row = row._replace(wrong=f"has {len(row.cells)} cells where the header has {len(columns)}")
    if row.wrong is not None:
        raise Refused([FieldError("", row.wrong)])
    entry = {name: meant(cell) for name, cell in zip(columns, row.cells, strict=True) if cell and not cell.isspace()}
    return read_entry(Form(values=entry, raw=entry), source, registry, at)
