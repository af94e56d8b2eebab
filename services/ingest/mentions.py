"""Whether a text names a person by an e-mail address. Pure.

It is asked of what could not be read (a broken body, a row with too many cells), so the text may be in any encoding of
a form. It tells people apart: `ito@acme.co.jp` does not stand in `saito@acme.co.jp`. A telephone is no such sign: all
of an office share one.
"""

import re
import unicodedata
from collections.abc import Collection, Iterator
from urllib.parse import unquote

_ESCAPED = re.compile(r"\\+(?:u([0-9a-f]{4})|.)", re.IGNORECASE | re.DOTALL)


def marks(emails: Collection[str]) -> list[str]:
    """Texts of which one stands, in lower case, in whatever has one of the addresses: to find what is worth reading."""
    coded = [email.replace("@", "%40") for email in emails]
    return [*emails, *coded, *(email.replace("+", "%2b") for email in coded)]


def names(text: str, emails: Collection[str]) -> bool:
    """Whether one of the addresses stands in the text."""
    whole = "|".join(map(re.escape, emails))
    address = re.compile(rf"(?<![a-z0-9_.-])(?:{whole})(?![a-z0-9-]|\.[a-z0-9])")
    return bool(emails) and any(address.search(reading) for reading in _readings(text))


def _readings(text: str) -> Iterator[str]:
    """As it is, and as a form that is percent-encoded; escapes of JSON are undone."""
    for reading in (text, unquote(text)):
        plain = _ESCAPED.sub(lambda found: chr(int(found[1], 16)) if found[1] else " ", reading)
        yield unicodedata.normalize("NFKC", plain).lower()
