"""One written form per value: what people and tools send -> what Tasuki stores and compares.

Every function takes the raw value (text, or the JSON value itself) and raises ValueError that says what is wrong.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date
from urllib.parse import urlsplit, urlunsplit

import msgspec
import phonenumbers
from email_validator import EmailNotValidError, validate_email

from shared.domains import host_of
from shared.events import FieldValue
from shared.money import Money, plain

Raw = object
MAX_TEXT = 20_000
MAX_INTEGER = 10**15
MAX_MARKS = 30
"""On one character; no script needs more (UAX #15, stream-safe text)."""
MAX_PHONE = 250  # characters
MAX_PHONE_DIGITS = 15  # E.164
_DIGITS = re.compile(r"[+-]?(\d{1,3}(,\d{3})+|\d{1,15})")
_EXTENSION = re.compile(r"[\s(]*(?:内線|ext\.?|#)[\s:]*(\d{1,7})\s*\)?$", re.IGNORECASE)
_FROM_ABROAD = re.compile(r"^[(\s]*00[\s-]*(?=[1-9])")
_CONTROL = frozenset(chr(c) for c in [*range(32), 127]) - frozenset("\t\n\r")
_TRUE = frozenset({"true", "yes", "on", "1", "はい", "有", "有り", "あり"})
_FALSE = frozenset({"false", "no", "off", "0", "いいえ", "無", "無し", "なし"})


def text(raw: Raw) -> str:
    """NFKC, trimmed. Numbers are taken as they are written."""
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        raise ValueError(f"expected text, got {_kind(raw)}")  # noqa: TRY004 - one exception for every bad value
    cleaned = nfkc(str(raw)).strip()
    if not cleaned:
        raise ValueError("is empty")
    if len(cleaned) > MAX_TEXT:
        raise ValueError(f"is longer than {MAX_TEXT} characters")
    if any(c in _CONTROL or "\ud800" <= c <= "\udfff" for c in cleaned):
        raise ValueError("holds a control character or half of a surrogate pair")
    return cleaned


def nfkc(written: str) -> str:
    """The text as Unicode's NFKC has it, in linear time. Marks of one character are put in order by exchanging
    neighbours: of half a million, which fit into a body, that takes ten minutes."""
    if not written.isascii() and any(map(unicodedata.combining, written)):
        marks = 0
        for character in written:
            marks = marks + 1 if unicodedata.combining(character) else 0
            if marks > MAX_MARKS:
                raise ValueError(f"holds a character with more than {MAX_MARKS} marks")
    return unicodedata.normalize("NFKC", written)


def integer(raw: Raw) -> int:
    """350, `"350"`, `"2,001"`, `"２，００１名"`."""
    if isinstance(raw, float) and raw.is_integer():
        raw = int(raw)
    if isinstance(raw, int) and not isinstance(raw, bool):
        number = raw
    else:
        written = text(raw).removesuffix("名").removesuffix("人").strip()
        if not _DIGITS.fullmatch(written):
            raise ValueError(f"{written[:40]!r} is not a whole number")
        number = int(written.replace(",", ""))
    if abs(number) >= MAX_INTEGER:
        raise ValueError("is too large a number")
    return number


def boolean(raw: Raw) -> bool:
    """true or false, also as forms write them (`on`, `はい`)."""
    if isinstance(raw, bool):
        return raw
    word = text(raw).lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise ValueError(f"{word[:40]!r} is neither true nor false")


def day(raw: Raw) -> str:
    """A date as `2026-11-24`; `2026/11/24` and `2026年11月24日` are read too."""
    written = text(raw)
    match = re.fullmatch(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?", written)
    if not match:
        raise ValueError(f"{written[:40]!r} is not a date such as 2026-11-24")
    return date(*(int(part) for part in match.groups())).isoformat()


def money(raw: Raw) -> Money:
    """`{"value": "1200000", "currency": "JPY"}`, the number without what means nothing (`+1`, `01`, `1.0`)."""
    try:
        return plain(raw if isinstance(raw, Money) else msgspec.convert(raw, Money))
    except msgspec.ValidationError as error:
        raise ValueError(f'expected {{"value": "1200000", "currency": "JPY"}}: {error}') from error


def email(raw: Raw) -> str:
    """Lower-case, syntax checked, no DNS. The reserved `.test` is let through, a bare host is not."""
    address = text(raw)
    try:
        checked = validate_email(address, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise ValueError(f"is not an e-mail address: {error}") from error
    if "." not in checked.domain:
        raise ValueError("is not an e-mail address: the part after @ has no dot")
    return checked.normalized.lower()


def phone(raw: Raw) -> str:
    """E.164, Japanese unless the number says otherwise (`+81`, `0081`). An extension is no part of it and left out."""
    written = text(raw)
    if len(written) > MAX_PHONE:  # the time of the search for an extension grows with the square of the length
        raise ValueError("is too long for a telephone number")
    try:
        number = _dialled(_EXTENSION.sub("", written))
    except phonenumbers.NumberParseException as error:
        raise ValueError(f"{written[:40]!r} is not a telephone number") from error
    if not phonenumbers.is_possible_number(number):
        raise ValueError(f"{written[:40]!r} has too few or too many digits for a telephone number")
    plain = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if len(plain) > 1 + MAX_PHONE_DIGITS:
        raise ValueError(f"{written[:40]!r} has too many digits for a telephone number")
    return plain


def _dialled(written: str) -> phonenumbers.PhoneNumber:
    """The number as it is dialled in Japan or, after `00`, elsewhere, where only so it is one: 0077 is Japanese."""
    number = phonenumbers.parse(written, "JP")
    abroad = _FROM_ABROAD.sub("+", written)
    if abroad == written or phonenumbers.is_valid_number(number):
        return number
    international = phonenumbers.parse(abroad, "JP")
    return international if phonenumbers.is_valid_number(international) else number


def url(raw: Raw) -> str:
    """http or https (https where none is written), host in lower-case ASCII, no default port, no fragment."""
    written = text(raw)
    parts = urlsplit(written if "://" in written else f"https://{written}")
    host = host_of(written)
    if parts.scheme not in {"http", "https"} or not host or any(c.isspace() for c in written):
        raise ValueError(f"{written[:80]!r} is not a web address")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a web address must not carry a user name or password")
    if "." not in host:
        raise ValueError(f"{host!r} is not a public host name")
    default = {"http": 80, "https": 443}[parts.scheme]
    netloc = host if parts.port in {None, default} else f"{host}:{parts.port}"
    return urlunsplit((parts.scheme, netloc, parts.path or "/", parts.query, ""))


def strings(raw: Raw) -> list[str]:
    """A list of texts without repetition, in the order given; a single text is a list of one."""
    items = raw if isinstance(raw, list | tuple) else [raw]
    if len(items) > 1000:
        raise ValueError("has more than 1000 items")
    return list(dict.fromkeys(text(item) for item in items))


def corporate_number(raw: Raw) -> str:
    """法人番号: 13 digits, the first of which checks the others (法人番号の指定等に関する省令 第2条)."""
    digits = re.sub(r"[\s-]", "", text(raw)).removeprefix("T")
    if not re.fullmatch(r"[0-9]{13}", digits):
        raise ValueError("is not a corporate number: it has 13 digits")
    weighted = sum(int(d) * (1 if place % 2 == 0 else 2) for place, d in enumerate(reversed(digits[1:])))
    if int(digits[0]) != 9 - weighted % 9:
        raise ValueError("is not a corporate number: its check digit does not match")
    return digits


def choice(raw: Raw, choices: tuple[str, ...]) -> str:
    """One of the choices, whatever its case."""
    written = text(raw)
    for allowed in choices:
        if allowed.casefold() == written.casefold():
            return allowed
    raise ValueError(f"{written[:40]!r} is none of {', '.join(choices)}")


def _kind(raw: Raw) -> str:
    names = {dict: "an object", list: "a list", bool: "true or false", type(None): "null"}
    return names.get(type(raw), type(raw).__name__)


BY_TYPE: Mapping[str, Callable[[Raw], FieldValue]] = {
    "text": text,
    "integer": integer,
    "money": money,
    "date": day,
    "boolean": boolean,
    "email": email,
    "phone": phone,
    "url": url,
    "list": strings,
    "confirmation": text,
}
"""The function of each field type that needs nothing but the value."""
