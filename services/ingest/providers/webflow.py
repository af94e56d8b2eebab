"""Webflow: HMAC over time and body; values by the names that the form's designer gave."""

import re
from collections.abc import Sequence
from typing import ClassVar

from services.ingest.providers.base import (
    Delivery,
    Form,
    Nothing,
    Payload,
    Provider,
    Unusable,
    Verdict,
    is_recent,
    is_same,
)
from services.ingest.providers.encodings import JSON, read_object
from services.ingest.providers.reading import id_of, object_at, time_of
from services.ingest.providers.signatures import by_any, hex_hmac, read_stamp

_NUMBER = re.compile(r" \d+$")
"""The designer numbers the second field of a kind: `Email 2`."""


class Webflow(Provider):
    """Form submissions; every other trigger has no effect."""

    media_types = frozenset({JSON})
    names: ClassVar = {"Email": "email", "Email Address": "email", "Phone": "phone", "Phone Number": "phone"}

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> Verdict:
        if not secrets:
            return Verdict.GENUINE
        stamp = delivery.headers.get("x-webflow-timestamp", "")
        signature = delivery.headers.get("x-webflow-signature", "")
        signed_ms = read_stamp(stamp)
        if signed_ms is None:
            return Verdict.WRONG
        signed = f"{stamp}:".encode() + delivery.body
        verdict = by_any(secrets, lambda secret: is_same(signature, hex_hmac(secret, signed)))
        is_stale = verdict is Verdict.GENUINE and not is_recent(signed_ms / 1000, delivery)
        return Verdict.STALE if is_stale else verdict

    async def read(self, delivery: Delivery) -> Payload:
        body = read_object(delivery.body)
        if body.get("triggerType") != "form_submission":
            return Payload(entries=[Nothing(reason="is no form submission", raw=body)])
        payload = object_at(body, "payload")
        id_ = id_of(payload.get("id"))
        if id_ is None:
            raise Unusable("payload.id is missing")
        values = object_at(payload, "data")
        also = {name: [plain] for name in values if (plain := _NUMBER.sub("", name)) != name}
        observed_at = time_of(payload.get("submittedAt"))
        return Payload(entries=[Form(values=values, raw=body, id=id_, observed_at=observed_at, also=also)])
