"""What Standard Webhooks (standardwebhooks.com) signs, and how: for what comes in and for what goes out. Pure.

Not by the reference library, which takes the time from the machine's own clock.
"""

import base64
import hashlib
import hmac

PREFIX, PUBLIC_PREFIX = "whsec_", "whpk_"
KEY_BYTES = range(24, 65)
"""How long the key of a secret is, by the standard."""


def key_of(secret: str) -> bytes:
    """The bytes of a secret; it may come without its prefix, without padding, or be no base64 at all."""
    return _decoded(secret) or secret.encode()


def is_secret(secret: str) -> bool:
    """Whether it is a secret as the standard writes it, by which we may sign: `whsec_` and base64 of a key."""
    return secret.startswith(PREFIX) and len(_decoded(secret)) in KEY_BYTES


def signed_content(id_: str, stamp: str, body: bytes) -> bytes:
    """What a signature is over. stamp: seconds since 1970."""
    return f"{id_}.{stamp}.".encode() + body


def signature(signed: bytes, secret: str) -> str:
    """The signature of version `v1`, without the version: HMAC-SHA256 in base64."""
    return base64.b64encode(hmac.new(key_of(secret), signed, hashlib.sha256).digest()).decode()


def _decoded(secret: str) -> bytes:
    """Empty where it is no base64."""
    text = secret.removeprefix(PREFIX)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        return b""
