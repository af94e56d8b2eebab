"""What several providers do alike: a hex HMAC-SHA256 over bytes that hold the time of signing."""

import hashlib
import hmac
from collections.abc import Iterable, Sequence

from services.ingest.providers.base import Delivery, Verdict, is_recent, is_same


def hex_hmac(secret: str, signed: bytes) -> str:
    """HMAC-SHA256 in lower-case hexadecimal digits."""
    return hmac.new(secret.encode("utf-8", "surrogateescape"), signed, hashlib.sha256).hexdigest()


def read_stamp(text: str) -> int | None:
    """Seconds since 1970; digits only, as signs, blanks and underscores would make many texts of one time."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 15 else None


def verify_stamped(
    delivery: Delivery, secrets: Sequence[str], stamp: str, signed: bytes, signatures: Iterable[str]
) -> Verdict:
    """Whether one of the signatures is that of one of the secrets, and its time is near enough."""
    signed_s = read_stamp(stamp)
    told = list(signatures)
    matches = [is_same(signature, hex_hmac(secret, signed)) for signature in told for secret in secrets]
    if signed_s is None or not any(matches):
        return Verdict.WRONG
    return Verdict.GENUINE if is_recent(signed_s, delivery) else Verdict.STALE
