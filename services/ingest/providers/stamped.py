"""Signatures over bytes that hold the time of signing in seconds: hexadecimal HMAC-SHA256."""

from collections.abc import Iterable, Sequence

from services.ingest.providers.base import Delivery, Verdict, is_recent, is_same
from services.ingest.providers.signatures import hex_hmac


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
