"""Dialpad: call events as a compact JWT, signed by HS256 and nothing else; plain JSON where there is no secret."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import jwt

from services.ingest.providers.base import Delivery, Entry, Nothing, Payload, Provider, Unusable, Verdict, needed
from services.ingest.providers.calls import ANSWERED, call, is_outbound, seconds_between
from services.ingest.providers.encodings import JSON, read_object
from services.ingest.providers.reading import object_at, text_of, time_of
from shared.events import CallOutcome

ALGORITHM = "HS256"


class Dialpad(Provider):
    """The claims hold no time of signing and no id of the token: a repetition is recognised by its call.

    What Dialpad calls the media type of a JWT is not documented, so several are let in.
    """

    media_types = frozenset({JSON, "application/jwt", "application/jose", "text/plain"})

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> Verdict:
        if not secrets or any(_is_signed(delivery.body, secret) for secret in secrets):
            return Verdict.GENUINE
        return Verdict.WRONG

    async def read(self, delivery: Delivery) -> Payload:
        claims = read_object(_claims(delivery.body))
        if needed(text_of(claims.get("state")), "state") != "hangup":
            return Payload(entries=[Nothing(reason="no event that ends a call", raw=claims)])
        return Payload(entries=[_ended(claims)])


def _is_signed(token: bytes, secret: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # how long the secret is, was said to Dialpad already
            _JWS.decode(token, secret.encode("utf-8", "surrogateescape"), algorithms=[ALGORITHM])
    except jwt.PyJWTError:
        return False
    return True


def _claims(body: bytes) -> bytes:
    """The JSON inside of a JWT, whose signature `verify` looked at; of a plain body all. Raises Unusable."""
    if body.lstrip()[:1] == b"{":
        return body
    try:
        claims: bytes = _JWS.decode(body, options={"verify_signature": False})
    except jwt.PyJWTError as error:
        raise Unusable("the body is neither a compact JWT nor a JSON object") from error
    return claims


def _ended(claims: Mapping[str, Any]) -> Entry:
    """A call to a group rings as a leg of its own at each member: the leg that was answered tells of it, else the call
    at which all began."""
    connected = time_of(claims.get("date_connected"))
    id_ = needed(text_of(claims.get("call_id")), "call_id")
    is_leg = text_of(claims.get("entry_point_call_id")) not in (None, id_)
    is_taken_by_leg = text_of(claims.get("operator_call_id")) not in (None, id_)
    if is_taken_by_leg or (is_leg and connected is None):
        return Nothing(reason="one leg of several; another one tells of the call", raw=claims)
    target = object_at(claims, "target")
    return call(
        f"call {id_}",
        outbound=is_outbound(claims.get("direction"), "direction"),
        number=text_of(claims.get("external_number")),
        rep=text_of(target.get("id")) if target.get("type") == "user" else None,
        outcome=_outcome(claims, connected is not None),
        at=needed(time_of(claims.get("date_started")), "date_started"),
        duration_s=seconds_between(connected, time_of(claims.get("date_ended"))),
        raw=claims,
    )


def _outcome(claims: Mapping[str, Any], is_answered: bool) -> CallOutcome:
    if text_of(claims.get("voicemail_link")) or text_of(claims.get("voicemail_recording_id")):
        return "voicemail"
    return ANSWERED if is_answered else "no_answer"


_JWS = jwt.PyJWS(algorithms=[ALGORITHM])
