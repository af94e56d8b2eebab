"""HMAC-SHA256 as providers write it, and the verdict where any of several secrets will do. Pure."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence

from services.ingest.providers.base import Verdict


def hex_hmac(secret: str, signed: bytes) -> str:
    """64 digits in lower case."""
    return _hmac(secret, signed).hex()


def base64_hmac(secret: str, signed: bytes) -> str:
    """44 characters with their padding."""
    return base64.b64encode(_hmac(secret, signed)).decode()


def by_any(secrets: Sequence[str], is_right: Callable[[str], bool]) -> Verdict:
    """GENUINE when one of the secrets is right, or none is configured."""
    return Verdict.GENUINE if not secrets or any(is_right(secret) for secret in secrets) else Verdict.WRONG


def milliseconds(stamp: str) -> int | None:
    """The time in a header, None when it is none."""
    return int(stamp) if stamp.isascii() and stamp.isdigit() and len(stamp) < 18 else None


def _hmac(secret: str, signed: bytes) -> bytes:
    return hmac.new(secret.encode("utf-8", "surrogateescape"), signed, hashlib.sha256).digest()
