"""HMAC-SHA256 as providers write it, times that are signed, and the verdict by any of several secrets. Pure."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable, Sequence

from services.ingest.providers.base import Delivery, Verdict, is_recent, is_same


def hex_hmac(secret: str, signed: bytes) -> str:
    """64 digits in lower case."""
    return _hmac(secret, signed).hex()


def base64_hmac(secret: str, signed: bytes) -> str:
    """44 characters with their padding."""
    return base64.b64encode(_hmac(secret, signed)).decode()


def by_any(secrets: Sequence[str], is_right: Callable[[str], bool]) -> Verdict:
    """GENUINE when one of the secrets is right, or none is configured."""
    return Verdict.GENUINE if not secrets or any(is_right(secret) for secret in secrets) else Verdict.WRONG


def read_stamp(text: str) -> int | None:
    """A time in seconds or milliseconds since 1970, None when it is none. Digits only, as signs, blanks and underscores
    would make many texts of one time."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else None


def verify_stamped(
    delivery: Delivery, secrets: Sequence[str], stamp: str, signed: bytes, signatures: Iterable[str]
) -> Verdict:
    """For hexadecimal signatures over a time in seconds: whether one is that of one of the secrets, and recent."""
    signed_s = read_stamp(stamp)
    expected = [hex_hmac(secret, signed) for secret in secrets]  # once, however many signatures a header holds
    matches = [is_same(signature, one) for signature in signatures for one in expected]
    if signed_s is None or not any(matches):
        return Verdict.WRONG
    return Verdict.GENUINE if is_recent(signed_s, delivery) else Verdict.STALE


def _hmac(secret: str, signed: bytes) -> bytes:
    return hmac.new(secret.encode("utf-8", "surrogateescape"), signed, hashlib.sha256).digest()
