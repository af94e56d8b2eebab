"""Signatures over a time: what is signed rightly, but is no time, is wrong."""

import hashlib
import hmac
from datetime import UTC, datetime

import pytest

from services.ingest.providers import Delivery, Verdict
from services.ingest.providers.signatures import verify_stamped

AT_S = 1_700_000_000


def judged(stamp: str, signature: str | None = None, at_s: int = AT_S) -> Verdict:
    signed = f"{stamp}.".encode()
    right = hmac.new(b"secret", signed, hashlib.sha256).hexdigest()
    at = datetime.fromtimestamp(at_s, UTC)
    told = ["other", right if signature is None else signature]
    return verify_stamped(Delivery(body=b"", content_type="", at=at), ["new", "secret"], stamp, signed, told)


@pytest.mark.parametrize("stamp", [".9", " 1700000000 ", "1_700_000_000", "-1", "1e9", "١٧٠٠٠٠٠٠٠٠", "9" * 400, ""])
def test_times_that_are_no_times(stamp: str) -> None:
    assert judged(stamp) is Verdict.WRONG


def test_verdicts() -> None:
    assert judged(str(AT_S)) is Verdict.GENUINE
    assert judged(str(AT_S), "é") is Verdict.WRONG
    assert [judged(str(AT_S), at_s=AT_S + off) for off in (-301, -300, 300, 301)] == [
        Verdict.STALE,
        Verdict.GENUINE,
        Verdict.GENUINE,
        Verdict.STALE,
    ]


class Secret(str):
    """Counts how often it is used."""

    used = 0

    def encode(self, *how: str) -> bytes:
        self.used += 1
        return super().encode(*how)


def test_a_body_is_signed_once_however_many_signatures_are_told() -> None:
    """A header holds thousands, from whoever sends it, and a body may have a megabyte."""
    secrets = [Secret("new"), Secret("secret")]
    delivery = Delivery(body=b"", content_type="", at=datetime.fromtimestamp(AT_S, UTC))
    assert verify_stamped(delivery, secrets, str(AT_S), b"signed", ["other"] * 10_000) is Verdict.WRONG
    assert [secret.used for secret in secrets] == [1, 1]
