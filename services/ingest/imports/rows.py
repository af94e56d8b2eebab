"""From the bytes of a CSV file to its rows, window by window. Pure.

Bytes are cut into lines before they are decoded: in none of our encodings does a part of a character look like the end
of a line. So it is known at which byte a row begins, and reading can go on there after a crash.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple, Self

from services.ingest.forms import MAX_FIELDS
from services.ingest.imports.encodings import Unreadable, begin_of

MAX_ROW = 100_000
"""Bytes of a row."""
MAX_NAME = 200
"""Characters of a column's name."""
DELIMITERS = (",", "\t")

UNFIT = re.compile("[\x00\ud800-\udfff]")
"""What no text may hold; bytes that are no characters become lone surrogates."""
_TOO_LONG = f"has more than {MAX_ROW:,} bytes"
_NOT_CLOSED = "opens a quote that is never closed"
_SHOWN = 1_000  # bytes of a row that is too long to be kept


class Row(NamedTuple):
    """One row as it stands in the file; `number` counts as a spreadsheet does, the header's is 1."""

    number: int
    cells: list[str]
    wrong: str | None = None


class Place(NamedTuple):
    """Where reading goes on: at which byte, after how many rows; `inside` one whose too many bytes are passed over."""

    at: int
    row: int = 0
    inside: bool = False


class Layout(NamedTuple):
    """How a file is to be read; `columns` have different names, none of them is empty."""

    encoding: str
    delimiter: str
    columns: list[str]
    first: Place


def read_layout(head: bytes, encoding: str, *, is_end: bool) -> Layout:
    """`head`: the first bytes of the file, 2 * MAX_ROW or all. The delimiter is that which makes more columns.

    Raises Unreadable.
    """
    begin = begin_of(head, encoding)
    layouts = []
    for delimiter in DELIMITERS:
        rows, place = read_rows(
            head[begin:], Place(begin), encoding=encoding, delimiter=delimiter, most=1, is_end=is_end
        )
        if not rows:
            raise Unreadable("it holds no header row")
        if rows[0].wrong:
            raise Unreadable(f"its header row {rows[0].wrong}")
        layouts.append(Layout(encoding, delimiter, _names(rows[0].cells), place))
    return max(layouts, key=lambda layout: len(layout.columns))


def read_rows(
    window: bytes, place: Place, *, encoding: str, delimiter: str, most: int, is_end: bool
) -> tuple[list[Row], Place]:
    """Up to `most` rows that are whole in `window`, which begins at `place`, and where to go on; blank rows are left
    out. Some progress is made if the window has 2 * MAX_ROW bytes or ends where the file does (`is_end`).

    A row that is too long is given with what is `wrong` with it. Where a quote is not closed only the row's first line
    is given so, since the lines after it are most likely rows of their own.
    """
    lines = _Lines(window, encoding, delimiter, is_end)
    if place.inside and not lines.skip():
        return [], Place(place.at + len(window), place.row, inside=True)
    reader = csv.reader(lines, delimiter=delimiter)
    rows: list[Row] = []
    number = place.row
    while len(rows) < most and not lines.is_at_end:
        lines.begin()
        cells = next(reader, [])
        if lines.reason is not None:
            cells = lines.only_first()
        elif lines.is_cut:
            lines.rewind()
            break
        number += 1
        if lines.reason is None and UNFIT.search("".join(cells)):
            rows.append(Row(number, cells, f"holds bytes that are no text in {encoding}"))
        elif lines.reason is not None or any(cell and not cell.isspace() for cell in cells):
            rows.append(Row(number, cells, lines.reason))
    return rows, Place(place.at + lines.offset, number, lines.is_inside)


class _Lines:
    """The lines of a window for `csv.reader`, as many as one row may have: the reader asks for more while a quote is
    open. After each row: `reason` why it is none, or `is_cut` when the window ended in it.

    Where a row's first line leaves a quote open, it is found first whether any line closes it. What was looked at for
    that is remembered: of a file whose every line opens a quote, each would else be read up to the length of a row.
    """

    def __init__(self, window: bytes, encoding: str, delimiter: str, is_end: bool) -> None:
        self._lines = window.splitlines(keepends=True)
        self._ends = list(accumulate(map(len, self._lines)))
        self._looked_at = range(0)  # lines of which none but the last closes a quote that is open where it begins
        self._is_closed = False  # whether the last one does
        self._encoding = encoding
        self._delimiter = delimiter
        self._is_end = is_end
        # A line that is not whole yet; "\r" may be the first half of "\r\n".
        self._has_tail = not is_end and bool(self._lines) and not self._lines[-1].endswith(b"\n")
        self._next = self._first = 0
        self.offset = self._began = 0
        self.reason: str | None = None
        self.is_cut = self.is_inside = False

    @property
    def is_at_end(self) -> bool:
        return self._next == len(self._lines)

    def begin(self) -> None:
        """From here on it is another row."""
        self._first, self._began = self._next, self.offset
        self.reason, self.is_cut = None, False

    def rewind(self) -> None:
        """Back to where the row began."""
        self._next, self.offset = self._first, self._began

    def skip(self) -> bool:
        """Pass over the rest of a line; False when it does not end in this window."""
        if self._has_tail and len(self._lines) == 1:
            return False
        if self._lines:
            self._pass()
        return True

    def only_first(self) -> list[str]:
        """Go on after the first line of the row: its cells."""
        self.rewind()
        line = self._lines[self._first]
        self.is_inside = self._has_tail and self._first == len(self._lines) - 1
        self._pass()
        if len(line) > MAX_ROW:
            return [line[:_SHOWN].decode(self._encoding, "ignore") + "…"]
        return next(csv.reader([self._decoded(line)], delimiter=self._delimiter), [])

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = b"" if self.is_at_end else self._lines[self._next]
        if self.offset - self._began + len(line) > MAX_ROW:
            self.reason = _TOO_LONG if self._next == self._first else _NOT_CLOSED
            raise StopIteration
        if self._next == self._first + 1 and self._is_never_closed():
            self.reason = _NOT_CLOSED
            raise StopIteration
        if self.is_at_end:
            if self._is_end:
                self.reason = _NOT_CLOSED
            self.is_cut = True
            raise StopIteration
        if self._has_tail and self._next == len(self._lines) - 1:
            self.is_cut = True
            raise StopIteration
        self._pass()
        return self._decoded(line)

    def _is_never_closed(self) -> bool:
        """Whether a quote that is open where the next line begins is not closed as far as a row may reach; where the
        window ends before that it may be."""
        last = self._began + MAX_ROW
        whole = len(self._lines) - self._has_tail
        seen = self._looked_at
        if not seen.start <= self._next < seen.stop + (not self._is_closed):
            seen, self._is_closed = range(self._next, self._next), False
        while not self._is_closed and seen.stop < whole and self._ends[seen.stop - 1] <= last:
            self._is_closed = self._closes(self._lines[seen.stop])
            seen = range(seen.start, seen.stop + 1)
        self._looked_at = seen
        if self._is_closed:
            return self._ends[seen.stop - 1] > last
        return self._is_end or self._ends[-1] > last

    def _closes(self, line: bytes) -> bool:
        """Whether a quote that is open where a line begins is closed where it ends."""
        if b'"' not in line or len(line) > MAX_ROW:
            return False
        went_on = False

        def lines() -> Iterator[str]:
            nonlocal went_on
            yield '"' + self._decoded(line)
            went_on = True

        next(csv.reader(lines(), delimiter=self._delimiter))
        return not went_on

    def _pass(self) -> None:
        self.offset += len(self._lines[self._next])
        self._next += 1

    def _decoded(self, line: bytes) -> str:
        return line.decode(self._encoding, "surrogateescape")


def _names(cells: Sequence[str]) -> list[str]:
    """Names of the columns: one without a name is `column 3`, a second `email` is `email (2)`."""
    if len(cells) > MAX_FIELDS:
        raise Unreadable(f"it has {len(cells):,} columns; {MAX_FIELDS} are possible")
    names: list[str] = []
    taken: set[str] = set()
    for number, cell in enumerate(cells, 1):
        name = wanted = cell.strip() or f"column {number}"
        if UNFIT.search(name) or len(name) > MAX_NAME:
            raise Unreadable(f"the name of column {number} holds what is no text, or more than {MAX_NAME} characters")
        times = 1
        while name in taken:
            times += 1
            name = f"{wanted} ({times})"
        taken.add(name)
        names.append(name)
    return names
