"""Rows as CSV that a spreadsheet can open safely. Pure."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from shared.spreadsheet import neutral


def to_csv(first: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The rows with a header line: the columns named `first`, then all others that occur."""
    names = list(dict.fromkeys([*first, *(name for row in rows for name in row)]))
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(names)
    writer.writerows([_cell(row.get(name)) for name in names] for row in rows)
    return out.getvalue().encode()


def _cell(value: object) -> object:
    return neutral(value) if isinstance(value, str) else value
