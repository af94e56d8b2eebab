"""What is written as CSV comes back the same, wherever reading is broken off, and one bad row costs no other."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.ingest.imports import rows as module
from services.ingest.imports.encodings import Unreadable
from services.ingest.imports.rows import MAX_ROW, Place, Row, read_layout, read_rows
from tests.ingest.imports.files import table

ENCODINGS = ("utf-8", "utf-8-sig", "cp932")


def cell(encoding: str) -> st.SearchStrategy[str]:
    """Text that the encoding can hold, with what CSV itself is made of in it more often."""
    special = st.sampled_from(['"', ",", "\t", "\r", "\n", "\r\n", "'", " ", "=", "ソ", "表", "髙", "①", "ｱ"])
    one_way = "¢£¬‖−〜"  # cp932 takes them and gives others back
    plain = st.characters(codec=encoding.removesuffix("-sig"), exclude_characters="\x00" + one_way)
    return st.lists(special | plain, max_size=6).map("".join)


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, str, list[list[str]]]:
    encoding = draw(st.sampled_from(ENCODINGS))
    width = draw(st.integers(1, 4))
    line = st.lists(cell(encoding), min_size=width, max_size=width)
    return encoding, draw(st.sampled_from([",", "\t"])), draw(st.lists(line, max_size=8))


def blank(row: list[str]) -> bool:
    return not any(cell.strip() for cell in row)


def read(data: bytes, encoding: str, delimiter: str, *, window: int, most: int) -> Iterator[Row]:
    """All rows, from window to window, each time from the place alone."""
    place = Place(0)
    while place.at < len(data):
        seen = data[place.at : place.at + window]
        found, place = read_rows(
            seen, place, encoding=encoding, delimiter=delimiter, most=most, is_end=place.at + len(seen) == len(data)
        )
        yield from found


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(tables(), st.integers(1, 3), st.integers(0, 40))
def test_what_was_written_comes_back(written: tuple[str, str, list[list[str]]], most: int, more: int) -> None:
    encoding, delimiter, lines = written
    data = table([["名前"], *lines], encoding=encoding, delimiter=delimiter)
    name = encoding.removesuffix("-sig")
    begin = read_layout(data, name, is_end=True).first
    assert begin.row == 1
    longest = max((len(table([line], encoding=encoding, delimiter=delimiter)) for line in lines), default=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MAX_ROW", longest + 1)
        found = list(read(data[begin.at :], name, delimiter, window=2 * longest + 2 + more, most=most))
    assert [row.cells for row in found] == [line for line in lines if not blank(line)]
    assert [row.number for row in found] == [n for n, line in enumerate(lines, 1) if not blank(line)]
    assert {row.wrong for row in found} <= {None}


@settings(max_examples=300)
@given(
    st.binary(max_size=200) | st.lists(st.sampled_from([b'"', b",", b"\n", b"\r", b"a", b"\x81", b"\0"])).map(b"".join)
)
def test_any_bytes_are_read_to_their_end_the_same_way_in_windows_of_any_size(data: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MAX_ROW", 12)
        patch.setattr(module, "_SHOWN", 12)
        whole = list(read(data, "utf-8", ",", window=1_000, most=1_000))
        for window in (24, 25, 31):
            assert list(read(data, "utf-8", ",", window=window, most=2)) == whole


def test_a_quote_that_is_never_closed_costs_its_own_line() -> None:
    data = b'a,"b\r\n' + b"c,d\r\n" * 5
    found = list(read(data, "utf-8", ",", window=2 * MAX_ROW, most=100))
    assert found[0] == Row(1, ["a", "b\r\n"], "opens a quote that is never closed")
    assert [row.cells for row in found[1:]] == [["c", "d"]] * 5


@pytest.mark.parametrize("after", [b"", b"x" * MAX_ROW])
@pytest.mark.parametrize("is_end", [True, False])
def test_quotes_that_every_line_leaves_open_are_looked_for_once(
    monkeypatch: pytest.MonkeyPatch, after: bytes, is_end: bool
) -> None:
    """Each such row was read up to the length of a row: half a thousand took six seconds, of 3,000 bytes."""
    read_lines, decoded = module._Lines._decoded, 0

    def counted(lines: Any, line: bytes) -> str:
        nonlocal decoded
        decoded += 1
        return read_lines(lines, line)

    monkeypatch.setattr(module._Lines, "_decoded", counted)
    data = b'b","c\n' * (MAX_ROW // 8) + after  # where one opens a quote, the next closes it and opens another
    rows, _ = read_rows(data, Place(0), encoding="utf-8", delimiter=",", most=500, is_end=is_end)
    if is_end or after:
        assert {row.wrong for row in rows[:500]} == {"opens a quote that is never closed"}
    else:
        assert rows == []  # the next window may close the first of them
    assert decoded <= 4 * data.count(b"\n")


@pytest.mark.parametrize("lines_after", [b"", b"\nx,y\n"])
def test_a_cell_of_ten_megabytes_costs_its_own_row(lines_after: bytes) -> None:
    data = b"a,b\nc," + b"x" * 10_000_000 + lines_after
    found = list(read(data, "utf-8", ",", window=4 * MAX_ROW, most=100))
    assert [(row.number, row.wrong) for row in found[:2]] == [(1, None), (2, f"has more than {MAX_ROW:,} bytes")]
    assert len(found[1].cells[0]) <= 1_001
    assert [row.cells for row in found[2:]] == ([["x", "y"]] if lines_after else [])


def test_a_row_of_the_largest_size_is_taken() -> None:
    line = b"a" * (MAX_ROW - 4) + b",b\r\n"
    assert [row.wrong for row in read(line * 2, "utf-8", ",", window=2 * MAX_ROW, most=9)] == [None, None]
    longer = b"a" + line
    assert all(row.wrong for row in read(longer * 2, "utf-8", ",", window=2 * MAX_ROW, most=9))


@pytest.mark.parametrize("bad", [b"a\0", b"\xff"])
def test_what_is_no_text_costs_its_own_row(bad: bytes) -> None:
    found = list(read(b"a,b\n" + bad + b",b\nc,d\n", "utf-8", ",", window=2 * MAX_ROW, most=9))
    assert [row.wrong for row in found] == [None, "holds bytes that are no text in utf-8", None]


def test_blank_rows_are_left_out_and_counted() -> None:
    found = list(read(b"a,b\n\n , \n,\r\nc,d", "utf-8", ",", window=2 * MAX_ROW, most=9))
    assert [(row.number, row.cells) for row in found] == [(1, ["a", "b"]), (5, ["c", "d"])]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_the_delimiter_is_that_which_makes_more_columns(end: bytes) -> None:
    tabs = read_layout(b'a, b\tc\t"x\ty"' + end + b"1", "utf-8", is_end=True)
    assert (tabs.delimiter, tabs.columns) == ("\t", ["a, b", "c", "x\ty"])
    commas = read_layout(b'"a\tb",c' + end, "utf-8", is_end=True)
    assert (commas.delimiter, commas.columns) == (",", ["a\tb", "c"])
    assert read_layout(b"email", "utf-8", is_end=True).columns == ["email"]


def test_columns_have_names_of_their_own() -> None:
    assert read_layout(b"email,,email, email ,email (2)\n", "utf-8", is_end=True).columns == [
        "email",
        "column 2",
        "email (2)",
        "email (3)",
        "email (2) (2)",
    ]


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"\n\n", "no header row"),
        (b'email,"x\n', "never closed"),
        (b"a" * (MAX_ROW + 1), "more than 100,000 bytes"),
        (b",".join([b"a"] * 501), "501 columns"),
        (b"a" * 201, "column 1"),
        (b"a\0b", "no text"),
    ],
)
def test_a_header_that_is_none_is_told(head: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        read_layout(head, "utf-8", is_end=True)
