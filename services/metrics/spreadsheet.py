"""Rows as CSV that a spreadsheet can open safely. Pure."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

from services.metrics.question import Question
from shared.spreadsheet import neutral


def to_csv(first: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The rows with a header line: the columns named `first`, then all others that occur."""
    names = list(dict.fromkeys([*first, *(name for row in rows for name in row)]))
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(names)
    writer.writerows([_cell(row.get(name)) for name in names] for row in rows)
    return out.getvalue().encode()


def columns_of(question: Question) -> list[str]:
    """Those that every answer to a question has, also one without rows: whoever reads a column by its name finds it."""
    keys = ["period", *question.by, *(("currency",) if question.kpi.money else ())]
    return [*dict.fromkeys(keys), "value"]


def link_to_next(query: str, cursor: str | None) -> dict[str, str]:
    """The header that leads from a page to the next: the very question, as a link without it would ask another."""
    if cursor is None:
        return {}
    asked = [(name, said) for name, said in parse_qsl(query, keep_blank_values=True) if name != "cursor"]
    return {"Link": f'<?{urlencode([*asked, ("cursor", cursor)])}>; rel="next"'}


def _cell(value: object) -> object:
    return neutral(value) if isinstance(value, str) else value
