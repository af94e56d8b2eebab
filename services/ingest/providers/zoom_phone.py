"""Zoom Phone: calls that ended, or that a callee missed. Zoom asks whether we are there before it delivers."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.ingest.providers.base import (
    Delivery,
    Entry,
    Nothing,
    Payload,
    Provider,
    Reply,
    Unusable,
    Verdict,
    needed,
)
from services.ingest.providers.calls import ANSWERED, call, seconds_between
from services.ingest.providers.encodings import JSON, read_object
from services.ingest.providers.reading import object_at, text_of, time_of
from services.ingest.providers.signatures import hex_hmac, verify_stamped
from shared.events import CallOutcome

VALIDATION = "endpoint.url_validation"
OURS = {"phone.caller_ended": "caller", "phone.callee_ended": "callee", "phone.callee_missed": "callee"}
"""Which side of the call is ours in the events that end one."""
OUTCOMES: Mapping[str, CallOutcome] = {
    "call connected": ANSWERED,
    "answered": ANSWERED,
    "auto recorded": ANSWERED,
    "busy": "busy",
    "voicemail": "voicemail",
    "wrong number": "invalid_number",
}
"""By `handup_result` (so it is spelt), in lower case; every other one says that nobody answered."""
TAKEN_BY_ANOTHER = "answered by other member"


class ZoomPhone(Provider):
    """The signature covers the time in a header and the body."""

    media_types = frozenset({JSON})

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> Verdict:
        if not secrets:
            return Verdict.GENUINE
        stamp = delivery.headers.get("x-zm-request-timestamp", "")
        version, _, signature = delivery.headers.get("x-zm-signature", "").partition("=")
        signed = f"v0:{stamp}:".encode("utf-8", "surrogatepass") + delivery.body
        return verify_stamped(delivery, secrets, stamp, signed, [signature] if version == "v0" else [])

    def challenge(self, delivery: Delivery, secrets: Sequence[str]) -> Reply | None:
        """By the secret that signs the question: while the secret changes, that is the one which Zoom knows."""
        try:
            body = read_object(delivery.body)
        except Unusable:
            return None
        token = object_at(body, "payload").get("plainToken")
        if body.get("event") != VALIDATION or not isinstance(token, str) or not secrets:
            return None
        signing = [secret for secret in secrets if self.verify(delivery, [secret]) is Verdict.GENUINE]
        secret = next(iter(signing), secrets[0])
        return Reply({"plainToken": token, "encryptedToken": hex_hmac(secret, token.encode())})

    async def read(self, delivery: Delivery) -> Payload:
        body = read_object(delivery.body)
        event = needed(text_of(body.get("event")), "event")
        if event not in OURS:
            return Payload(entries=[Nothing(reason="no event that ends a call", raw=body)])
        details = needed(object_at(body, "payload", "object") or None, "payload.object")
        return Payload(entries=[_ended(event, details)])


def _ended(event: str, details: dict[str, Any]) -> Entry:
    outbound = OURS[event] == "caller"
    ours, theirs = object_at(details, OURS[event]), object_at(details, "callee" if outbound else "caller")
    result = (text_of(details.get("handup_result")) or "").lower()
    if _is_inside(theirs):
        return Nothing(reason="a call between our own extensions", raw=details)
    if result == TAKEN_BY_ANOTHER or (event == "phone.callee_missed" and details.get("forwarded_by")):
        return Nothing(reason="one telephone of several rang in vain; another one tells of the call", raw=details)
    answered = time_of(details.get("answer_start_time"))
    outcome = OUTCOMES.get(result, ANSWERED if answered and not result else "no_answer")
    return call(
        f"call {needed(text_of(details.get('call_id')), 'payload.object.call_id')}",
        outbound=outbound,
        number=text_of(theirs.get("phone_number")),
        rep=text_of(ours.get("user_id")) or text_of(ours.get("extension_number")),
        outcome=outcome,
        at=needed(time_of(details.get("ringing_start_time")), "payload.object.ringing_start_time"),
        duration_s=seconds_between(answered, time_of(details.get("call_end_time"))) if outcome == ANSWERED else None,
        raw=details,
        compared=("type",),  # both sides may tell of one call, each in its own words
    )


def _is_inside(party: Mapping[str, Any]) -> bool:
    kind = text_of(party.get("extension_type"))
    if kind is not None:
        return kind != "pstn"
    return text_of(party.get("user_id")) is not None or text_of(party.get("extension_id")) is not None
