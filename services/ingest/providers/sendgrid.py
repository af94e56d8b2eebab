"""SendGrid: what became of e-mails. The signature is ECDSA over the time and the body; the secret is a public key."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from services.ingest.providers.base import (
    Broken,
    Delivery,
    Entry,
    Nothing,
    Payload,
    Provider,
    Unusable,
    Verdict,
    is_recent,
    needed,
)
from services.ingest.providers.encodings import JSON, read_json
from services.ingest.providers.reading import text_of, time_of
from services.ingest.providers.signatures import read_stamp
from services.ingest.providers.touches import touch
from shared.events import TouchOutcome

HEADER = "x-twilio-email-event-webhook-"
OUTCOMES: Mapping[str, TouchOutcome] = {
    "delivered": "sent",
    "open": "opened",
    "click": "clicked",
    "bounce": "bounced",
    "unsubscribe": "declined",
    "group_unsubscribe": "declined",  # also where it is from one kind of mail alone
    "spamreport": "declined",
}


class SendGrid(Provider):
    """A list of events; each is taken for itself, as many as fit in a body."""

    media_types = frozenset({JSON})

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> Verdict:
        if not secrets:
            return Verdict.GENUINE
        stamp = delivery.headers.get(f"{HEADER}timestamp", "")
        signature = delivery.headers.get(f"{HEADER}signature", "")
        signed_s = read_stamp(stamp)
        if signed_s is None or not any(_is_signed(stamp.encode() + delivery.body, signature, key) for key in secrets):
            return Verdict.WRONG
        return Verdict.GENUINE if is_recent(signed_s, delivery) else Verdict.STALE

    async def read(self, delivery: Delivery) -> Payload:
        body = read_json(delivery.body)
        events = body if isinstance(body, list) else [body]  # one that is tried again comes alone
        if not events:
            raise Unusable("the list holds no event")
        return Payload(entries=[_entry(event) for event in events], is_batch=True)


def _entry(event: Any) -> Entry:
    if not isinstance(event, dict):
        return Broken(reason="is no object", raw=event)
    try:
        name = needed(text_of(event.get("event")), "event")
        if name not in OUTCOMES:
            return Nothing(reason="no delivery, opening, click, bounce or unsubscribing", raw=event)
        return touch(
            needed(text_of(event.get("sg_event_id")), "sg_event_id"),
            email=needed(text_of(event.get("email")), "email"),
            outcome=OUTCOMES[name],
            at=needed(time_of(event.get("timestamp")), "timestamp"),
            raw=event,
        )
    except Unusable as error:
        return Broken(reason=str(error), raw=event)


def _is_signed(signed: bytes, signature: str, public_key: str) -> bool:
    try:
        key = load_der_public_key(base64.b64decode(public_key, validate=True))
        if not isinstance(key, EllipticCurvePublicKey):
            return False
        key.verify(base64.b64decode(signature, validate=True), signed, ECDSA(SHA256()))
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True
