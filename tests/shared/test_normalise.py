"""What people and tools send, and the one form in which Tasuki keeps it."""

import pytest

from shared import normalise
from shared.money import Money


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        (350, 350),
        ("350", 350),
        ("2,001", 2001),
        ("２，００１", 2001),
        ("350名", 350),
        (" 12 人 ", 12),
        (7.0, 7),
        ("-3", -3),
    ],
)
def test_integers(raw: object, number: int) -> None:
    value = normalise.integer(raw)
    assert value == number
    assert type(value) is int


@pytest.mark.parametrize(
    "raw", ["", "約350", "1-50", "20,01", "3.5", 3.5, True, None, [], {}, "9" * 5000, 10**30, "名"]
)
def test_what_is_no_integer(raw: object) -> None:
    with pytest.raises(ValueError, match=r"is|expected"):
        normalise.integer(raw)


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        ("03-1234-5678", "+81312345678"),
        ("０３－１２３４－５６７８", "+81312345678"),
        ("03ー1234ー5678", "+81312345678"),
        ("03−1234−5678", "+81312345678"),
        ("(090) 1234 5678", "+819012345678"),
        ("＋81 90-1234-5678", "+819012345678"),
        ("+1 650-253-0000", "+16502530000"),
        ("03-1234-5678（内線12）", "+81312345678"),
        ("03-1234-5678 内線 12", "+81312345678"),
        ("03-1234-5678 ext. 12", "+81312345678"),
        ("+81312345678;ext=12", "+81312345678"),
        ("0081-3-1234-5678", "+81312345678"),
        ("(0081) 3-1234-5678", "+81312345678"),
        ("00 81 3 1234 5678", "+81312345678"),
        ("００８１ 03-1234-5678 内線12", "+81312345678"),
        ("010-81-3-1234-5678", "+81312345678"),
        ("0044 20 7946 0958", "+442079460958"),
        ("0077-22-1234", "+810077221234"),
        ("0088-23-1234", "+810088231234"),
    ],
)
def test_phones(raw: str, number: str) -> None:
    assert normalise.phone(raw) == number


@pytest.mark.parametrize("raw", ["", "なし", "1", "03-1234", "03-1234-5678-9999-12", "+999 1"])
def test_what_is_no_phone(raw: str) -> None:
    with pytest.raises(ValueError, match=r"is|too few or too many|too many"):
        normalise.phone(raw)


def test_a_phone_of_any_length_is_judged_at_once() -> None:
    """By its length, before anything is looked for in it: of 20,000 brackets that took five seconds."""
    for raw in ("(" * 20_000, "03-1234-5678" + " " * 239 + "x"):
        with pytest.raises(ValueError, match="too long for a telephone number"):
            normalise.phone(raw)
    assert normalise.phone("03-1234-5678" + " " * 230 + "ext. 12") == "+81312345678"


@pytest.mark.parametrize(
    ("raw", "address"),
    [
        (" Tanaka@Example.CO.JP ", "tanaka@example.co.jp"),
        ("ｔａｎａｋａ＠ｅｘａｍｐｌｅ．ｃｏ．ｊｐ", "tanaka@example.co.jp"),
        ("a+b@sub.example.test", "a+b@sub.example.test"),
        ("a@日本語.jp", "a@日本語.jp"),
    ],
)
def test_emails(raw: str, address: str) -> None:
    assert normalise.email(raw) == address


@pytest.mark.parametrize("raw", ["", "tanaka", "a@b", "a@@b.jp", "a b@c.jp", "a@[127.0.0.1]", "@b.jp", "a@b..jp"])
def test_what_is_no_email(raw: str) -> None:
    with pytest.raises(ValueError, match="is"):
        normalise.email(raw)


@pytest.mark.parametrize(
    ("raw", "address"),
    [
        ("www.Acme.co.jp", "https://www.acme.co.jp/"),
        ("HTTP://acme.jp:80/a?b=1#c", "http://acme.jp/a?b=1"),
        ("https://acme.jp:8443", "https://acme.jp:8443/"),
        ("https://日本語.jp/会社", "https://xn--wgv71a119e.jp/会社"),
    ],
)
def test_urls(raw: str, address: str) -> None:
    assert normalise.url(raw) == address
    assert normalise.url(address) == address


@pytest.mark.parametrize(
    "raw", ["", "ftp://a.jp", "javascript:alert(1)", "https://u:p@a.jp", "https://a.jp:99999", "acme", "a b.jp", "//"]
)
def test_what_is_no_url(raw: str) -> None:
    with pytest.raises(ValueError, match=r"is|must|Port|address"):
        normalise.url(raw)


def test_corporate_numbers() -> None:
    # The example of the calculation of the check digit that the National Tax Agency publishes: 8 700110005901.
    assert normalise.corporate_number("8700110005901") == "8700110005901"
    assert normalise.corporate_number("Ｔ８７００１１０００５９０１") == "8700110005901"
    for wrong in ("7700110005901", "8700110005910", "870011000590", "abc"):
        with pytest.raises(ValueError, match="is not a corporate number"):
            normalise.corporate_number(wrong)


def test_texts_choices_lists_dates_booleans_money() -> None:
    assert normalise.text("　株式会社ﾃｽﾄ　") == "株式会社テスト"
    assert normalise.text(12) == "12"
    assert normalise.choice("ｂ", ("A", "B")) == "B"
    assert normalise.strings(["ＧＡ４", "GA4", " GTM "]) == ["GA4", "GTM"]
    assert normalise.strings("GTM") == ["GTM"]
    assert normalise.day("2026年1月2日") == "2026-01-02"
    assert normalise.day("2026/11/24") == "2026-11-24"
    assert normalise.boolean("はい") is True
    assert normalise.boolean("off") is False
    assert normalise.money({"value": "1200000", "currency": "JPY"}) == Money("1200000", "JPY")


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1200000", "1200000"),
        ("+1", "1"),
        ("01", "1"),
        (".5", "0.5"),
        ("-.50", "-0.5"),
        ("1.", "1"),
        ("1.00", "1"),
        ("12.34", "12.34"),
        ("-0", "0"),
        ("0.00", "0"),
        ("-007", "-7"),
        ("9999999999999999.99", "9999999999999999.99"),
        ("123456789012345.00000000000000", "123456789012345"),
    ],
)
def test_an_amount_has_one_written_form(written: str, value: str) -> None:
    said = Money(written, "USD")
    for raw in (said, {"value": written, "currency": "USD"}):
        assert normalise.money(raw) == Money(value, "USD")
    assert Money(value, "USD").minor == said.minor
    assert normalise.money(Money(value, "USD")).value == value
    assert said.value == written, "what stands in an event stays"


@pytest.mark.parametrize("raw", ["", "　", "a\0b", "a\x1bb", "\ud800", None, True, ["a"], {"a": 1}, "x" * 20_001])
def test_what_is_no_text(raw: object) -> None:
    with pytest.raises(ValueError, match=r"is|holds|expected"):
        normalise.text(raw)


@pytest.mark.parametrize("marks", ["\u0301", "\u0300\u0315", "\u3099\u0315"])
def test_a_character_bears_as_many_marks_as_any_script_needs(marks: str) -> None:
    """More of them are no text; putting them in order takes a time that grows with the square of their number."""
    some = (marks * 30)[:30]
    assert len(normalise.text(f"a{some}か{some}")) >= 60
    for more in (some + marks, some * 10_000):
        with pytest.raises(ValueError, match="more than 30 marks"):
            normalise.text(f"a{more}")
    assert normalise.text("か\u3099き\u3099" * 100) == "がぎ" * 100


def test_other_values_that_do_not_fit() -> None:
    for call in (
        lambda: normalise.choice("D", ("A", "B")),
        lambda: normalise.day("2026-02-30"),
        lambda: normalise.day("明日"),
        lambda: normalise.boolean("maybe"),
        lambda: normalise.money("100"),
        lambda: normalise.money({"value": "1.5", "currency": "JPY"}),
        lambda: normalise.strings(["a"] * 1001),
    ):
        with pytest.raises(ValueError, match=r"none|not|out of range|neither|expected|more"):
            call()
