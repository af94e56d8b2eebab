"""Which encoding a file has: said, marked, or found by its bytes, however they arrive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.imports.encodings import Detector, Unreadable, charset_of

TEXT = "email,会社名\r\na@acme.co.jp,髙橋①ソ表\r\n"


def detected(data: bytes, said: str | None = None, size: int = 7) -> str:
    detector = Detector(said)
    for at in range(0, len(data), size):
        detector.look(data[at : at + size])
    detector.look(b"", is_last=True)
    return detector.encoding


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize(("written", "read"), [("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("cp932", "cp932")])
def test_the_bytes_tell(written: str, read: str, size: int) -> None:
    assert detected(TEXT.encode(written), size=size) == read


def test_the_last_byte_of_a_file_may_tell() -> None:
    assert detected(b"email\n" * 100_000 + "髙".encode("cp932"), size=65_536) == "cp932"
    assert detected("髙".encode()) == "utf-8"
    assert detected("髙".encode("cp932") + b"a") == "cp932"


def test_a_byte_order_mark_wins_over_a_byte_that_is_wrong() -> None:
    assert detected("\ufeffemail\n".encode() + b"\xff\n") == "utf-8"


@pytest.mark.parametrize("name", ["utf-8", "Shift_JIS", "Windows-31J", "cp932", "EUC-JP", '"utf-8"'])
def test_what_is_said_wins(name: str) -> None:
    said = charset_of(f"text/csv; header=present; charset={name}")
    assert said in ("utf-8", "cp932", "euc-jp")
    assert detected("会社".encode(), said) == said


def test_nothing_said_is_none_and_what_is_unknown_is_refused() -> None:
    assert charset_of("text/csv") is None
    for name in ("utf-16", "utf-7", "idna", "x" * 1000, "../os"):
        with pytest.raises(Unreadable, match="not read here"):
            charset_of(f"text/csv; charset={name}")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (TEXT.encode("utf-16"), "UTF-16"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "UTF-16"),
        (b"PK\x03\x04rest", "workbook"),
        (bytes(range(256)), "neither"),
        ("髙".encode("cp932")[:1], "neither"),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_what_is_no_text_is_told(data: bytes, reason: str, size: int) -> None:
    with pytest.raises(Unreadable, match=reason):
        detected(data, size=size)


@given(st.binary(max_size=60), st.integers(1, 9))
def test_how_the_bytes_arrive_does_not_matter(data: bytes, size: int) -> None:
    def outcome(pieces: int) -> str:
        try:
            return detected(data, size=pieces)
        except Unreadable as error:
            return str(error)

    assert outcome(size) == outcome(1_000)
