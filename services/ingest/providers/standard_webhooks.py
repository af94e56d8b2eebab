"""Standard Webhooks (standardwebhooks.com), as Svix and others send them: signatures over id, time and body."""

import base64
from collections.abc import Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from services.ingest.providers.base import (
    Delivery,
    Form,
    Payload,
    Provider,
    Unusable,
    Verdict,
    is_recent,
    is_same,
)
from services.ingest.providers.encodings import JSON, read_object
from services.ingest.providers.reading import time_of
from services.ingest.providers.signatures import read_stamp
from shared.standard_webhooks import PREFIX, PUBLIC_PREFIX, key_of, signature, signed_content


class StandardWebhooks(Provider):
    """The submission is `data`, said at `timestamp`, where the body has the recommended form (`type`, `timestamp`,
    `data`), else the body."""

    media_types = frozenset({JSON})
    keeps = frozenset({"webhook-id", "svix-id"})

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> Verdict:
        if not secrets:
            return Verdict.GENUINE
        id_, stamp, signatures = (_header(delivery, name) for name in ("id", "timestamp", "signature"))
        signed_s = read_stamp(stamp)
        if not id_ or signed_s is None:
            return Verdict.WRONG
        signed = signed_content(id_, stamp, delivery.body)
        if not any(_is_signed(signed, signatures.split(" "), secret) for secret in secrets):
            return Verdict.WRONG
        return Verdict.GENUINE if is_recent(signed_s, delivery) else Verdict.STALE

    async def read(self, delivery: Delivery) -> Payload:
        body = read_object(delivery.body)
        id_ = _header(delivery, "id")
        if not id_:
            raise Unusable("the header webhook-id is missing")
        data = body.get("data")
        if not isinstance(data, dict) or not isinstance(body.get("type"), str):
            return Payload(entries=[Form(values=body, raw=body, id=id_[:200])])
        at = None if "observed_at" in data else time_of(body.get("timestamp"))
        return Payload(entries=[Form(values=data, raw=body, id=id_[:200], observed_at=at)])


def _header(delivery: Delivery, name: str) -> str:
    return delivery.headers.get(f"webhook-{name}") or delivery.headers.get(f"svix-{name}") or ""


def _is_signed(signed: bytes, signatures: Sequence[str], secret: str) -> bool:
    versions = [(version, value) for version, comma, value in (s.partition(",") for s in signatures) if comma]
    if secret.startswith(PUBLIC_PREFIX):
        return any(version == "v1a" and _is_ed25519(signed, value, secret) for version, value in versions)
    expected = signature(signed, secret)
    return any(version == "v1" and is_same(value, expected) for version, value in versions)


def _is_ed25519(signed: bytes, told: str, secret: str) -> bool:
    try:
        key = Ed25519PublicKey.from_public_bytes(key_of(secret.replace(PUBLIC_PREFIX, PREFIX, 1)))
        key.verify(base64.b64decode(told, validate=True), signed)
    except (InvalidSignature, ValueError):
        return False
    return True
