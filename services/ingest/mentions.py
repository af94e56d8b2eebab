"""Whether a text names a person by an e-mail address. Pure.

It is asked of what could not be read (a broken body, a row with too many cells), so the text may be in any encoding of
a form. It tells people apart: `ito@acme.co.jp` does not stand in `saito@acme.co.jp`. A telephone is no such sign: all
of an office share one.
"""

import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from urllib.parse import unquote

from shared.domains import host_of
from shared.normalise import nfkc

_ESCAPED = re.compile(r"\\+(?:u([0-9a-f]{4})|.)", re.IGNORECASE | re.DOTALL)
_PLAIN = re.compile("[a-z0-9]+")


def patterns(emails: Collection[str]) -> list[str]:
    """Patterns of LIKE of which one fits, in lower case, whatever has one of the addresses: to find what is worth
    reading. Letters and digits stand for themselves; what is between them may be escaped in many ways."""
    return [f"%{'%'.join(_PLAIN.findall(email))}%" for email in emails]


def names(text: str, emails: Collection[str]) -> bool:
    """Whether one of the addresses stands in the text."""
    whole = "|".join(re.escape(written) for email in emails for written in _written(email))
    address = re.compile(rf"(?<![a-z0-9_.-])(?:{whole})(?![a-z0-9-]|\.[a-z0-9])")
    return bool(emails) and any(address.search(reading) for reading in _readings(text))


def _written(email: str) -> Iterator[str]:
    """The address as we keep it, and with its domain as it stands in ASCII."""
    yield email
    local, _, domain = email.rpartition("@")
    if not domain.isascii():
        yield f"{local}@{host_of(domain)}"


def _readings(text: str) -> Iterator[str]:
    """As it is, and as a form that is percent-encoded; escapes of JSON are undone."""
    for reading in (text, unquote(text)):
        plain = _ESCAPED.sub(lambda found: chr(int(found[1], 16)) if found[1] else " ", reading)
        with suppress(ValueError):  # what no NFKC can be made of is read as it stands there
            plain = nfkc(plain)
        yield plain.lower()
