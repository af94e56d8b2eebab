"""Mailgun: what became of e-mails. It signs a time and a token, and not the body: a token is good for one body only."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.ingest.providers.base import Delivery, Entry, Nothing, Payload, Provider, Unusable, Verdict, needed
from services.ingest.providers.encodings import JSON, read_object
from services.ingest.providers.reading import object_at, text_of, time_of
from services.ingest.providers.signatures import verify_stamped
from services.ingest.providers.touches import touch
from shared.events import TouchOutcome

OUTCOMES: Mapping[str, TouchOutcome] = {
    "delivered": "sent",
    "opened": "opened",
    "clicked": "clicked",
    "failed": "bounced",
    "unsubscribed": "declined",
    "complained": "declined",
}


class Mailgun(Provider):
    """Signature and event stand in one body."""

    media_types = frozenset({JSON})

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> Verdict:
        if not secrets:
            return Verdict.GENUINE
        try:
            signature = object_at(read_object(delivery.body), "signature")
        except Unusable:
            return Verdict.WRONG
        stamp, token, told = (text_of(signature.get(name)) or "" for name in ("timestamp", "token", "signature"))
        return verify_stamped(delivery, secrets, stamp, f"{stamp}{token}".encode(), [told])

    async def read(self, delivery: Delivery) -> Payload:
        body = read_object(delivery.body)
        entry = _entry(needed(object_at(body, "event-data") or None, "event-data"))
        return Payload(entries=[entry], once=text_of(object_at(body, "signature").get("token")))


def _entry(event: dict[str, Any]) -> Entry:
    name = needed(text_of(event.get("event")), "event-data.event")
    if name not in OUTCOMES:
        return Nothing(reason="no delivery, opening, click, failure or unsubscribing", raw=event)
    if name == "failed" and event.get("severity") == "temporary":
        return Nothing(reason="Mailgun will try again", raw=event)
    return touch(
        text_of(event.get("id")),
        email=needed(text_of(event.get("recipient")), "event-data.recipient"),
        outcome=OUTCOMES[name],
        at=needed(time_of(event.get("timestamp")), "event-data.timestamp"),
        raw=event,
    )
