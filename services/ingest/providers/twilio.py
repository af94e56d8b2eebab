"""Twilio Voice: status callbacks. The signature covers the address that Twilio was given, see `public_url`."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

from services.ingest.providers.base import (
    Delivery,
    Entry,
    Nothing,
    Payload,
    Provider,
    Unusable,
    Verdict,
    is_same,
    needed,
)
from services.ingest.providers.calls import ANSWERED, call
from services.ingest.providers.encodings import FORM, JSON, media_type, read_body, read_urlencoded
from services.ingest.providers.reading import text_of
from shared.events import CallOutcome

OUTCOMES: Mapping[str, CallOutcome] = {
    "completed": ANSWERED,
    "busy": "busy",
    "no-answer": "no_answer",
    "canceled": "no_answer",
    "failed": "invalid_number",  # "most likely because the phone number was non-existent", says Twilio
}
"""By `CallStatus`; every other one is on the way to one of these."""


class Twilio(Provider):
    """The address may be signed with its port or without; both are tried, as Twilio's own libraries do."""

    media_types = frozenset({FORM, JSON})

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> Verdict:
        if not secrets:
            return Verdict.GENUINE
        try:
            parameters, addresses = _signed_parameters(delivery), _addresses(delivery.url)
        except (Unusable, ValueError):
            return Verdict.WRONG
        signature = delivery.headers.get("x-twilio-signature", "")
        expected = [_signature(secret, address + parameters) for address in addresses for secret in secrets]
        matches = [is_same(signature, one) for one in expected]
        return Verdict.GENUINE if any(matches) else Verdict.WRONG

    async def read(self, delivery: Delivery) -> Payload:
        said = await read_body(delivery)
        if not isinstance(said, dict):
            raise Unusable("the body holds no names and values")
        status = needed(text_of(said.get("CallStatus")), "CallStatus")
        if status not in OUTCOMES:
            return Payload(entries=[Nothing(reason="the call is not over yet", raw=said)])
        return Payload(entries=[_ended(said, status)])


def _ended(said: Mapping[str, Any], status: str) -> Entry:
    outbound = needed(text_of(said.get("Direction")), "Direction").startswith("outbound")
    ours, theirs = ("From", "To") if outbound else ("To", "From")
    number = text_of(said.get(theirs)) or ""
    if number.startswith(("client:", "sip:")):
        return Nothing(reason="a leg between our own telephones", raw=said)
    duration = text_of(said.get("CallDuration")) or ""
    duration_s = int(duration) if duration.isascii() and duration.isdigit() and len(duration) < 8 else None
    return call(
        f"call {needed(text_of(said.get('CallSid')), 'CallSid')}",
        outbound=outbound,
        number=number,
        rep=(text_of(said.get(ours)) or "").removeprefix("client:"),
        outcome=_outcome(said, status),
        at=_time(said) - timedelta(seconds=duration_s or 0),
        duration_s=duration_s if status == "completed" else None,
        raw=said,
    )


def _outcome(said: Mapping[str, Any], status: str) -> CallOutcome:
    by = text_of(said.get("AnsweredBy")) or ""
    if status == "completed" and by.startswith("machine"):
        return "voicemail"
    return "invalid_number" if status == "completed" and by == "fax" else OUTCOMES[status]


def _time(said: Mapping[str, Any]) -> datetime:
    """When the event was told of: at the end of the call, in the form of RFC 2822."""
    try:
        moment = parsedate_to_datetime(needed(text_of(said.get("Timestamp")), "Timestamp"))
        return moment.replace(tzinfo=moment.tzinfo or UTC)
    except (ValueError, OverflowError, IndexError, TypeError) as error:
        raise Unusable("`Timestamp` is no time of RFC 2822") from error


def _signed_parameters(delivery: Delivery) -> str:
    """What follows the address in the signed text: of a form its names and values in their order, each pair once; of
    another body nothing, as its hash is in the address already. Raises Unusable, ValueError."""
    if media_type(delivery.content_type) == FORM:
        pairs = sorted(set(read_urlencoded(delivery)))
        return "".join(name + value for name, value in pairs)
    told = parse_qs(urlsplit(delivery.url).query).get("bodySHA256", [""])[0]
    if not is_same(told, hashlib.sha256(delivery.body).hexdigest()):
        raise Unusable("the address does not hold the hash of the body")
    return ""


def _addresses(url: str) -> Sequence[str]:
    """The address as it is, without its port, and with the usual one. Raises ValueError."""
    parts = urlsplit(url)
    host = parts.netloc.removesuffix(f":{parts.port}")
    usual = f"{host}:{80 if parts.scheme == 'http' else 443}"
    return [url, urlunsplit(parts._replace(netloc=host)), urlunsplit(parts._replace(netloc=usual))]


def _signature(secret: str, signed: str) -> str:
    key = secret.encode("utf-8", "surrogateescape")
    return base64.b64encode(hmac.new(key, signed.encode("utf-8", "surrogatepass"), hashlib.sha1).digest()).decode()
