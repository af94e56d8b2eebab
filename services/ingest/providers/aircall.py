"""Aircall: a call when it is over and complete (`call.ended`), proved by the token of the webhook in the body."""

from collections.abc import Sequence
from typing import Any

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
from services.ingest.providers.calls import ANSWERED, call, is_outbound, seconds_between
from services.ingest.providers.encodings import JSON, read_object
from services.ingest.providers.reading import object_at, text_of, time_of
from shared.events import CallOutcome


class Aircall(Provider):
    """`call.hungup` comes at once and lacks the recording; `call.ended` comes 30 seconds later and alone counts."""

    media_types = frozenset({JSON})

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> Verdict:
        if not secrets:
            return Verdict.GENUINE
        try:
            token = read_object(delivery.body).get("token")
        except Unusable:
            return Verdict.WRONG
        told = token if isinstance(token, str) else ""
        matches = [is_same(told, secret) for secret in secrets]
        return Verdict.GENUINE if any(matches) else Verdict.WRONG

    async def read(self, delivery: Delivery) -> Payload:
        body = read_object(delivery.body)
        event = needed(text_of(body.get("event")), "event")
        data = needed(object_at(body, "data") or None, "data")
        if event != "call.ended":
            return Payload(entries=[Nothing(reason="only call.ended is counted", raw=data)])
        return Payload(entries=[_ended(data)])


def _ended(data: dict[str, Any]) -> Entry:
    answered = time_of(data.get("answered_at"))
    return call(
        f"call {needed(text_of(data.get('id')), 'data.id')}",
        outbound=is_outbound(data.get("direction"), "data.direction"),
        number=text_of(data.get("raw_digits")),
        rep=text_of(object_at(data, "user").get("id")),
        outcome=_outcome(data, answered is not None),
        at=needed(time_of(data.get("started_at")), "data.started_at"),
        duration_s=seconds_between(answered, time_of(data.get("ended_at"))),  # their `duration` counts the ringing, too
        raw=data,
    )


def _outcome(data: dict[str, Any], is_answered: bool) -> CallOutcome:
    if text_of(data.get("voicemail")):
        return "voicemail"
    return ANSWERED if is_answered else "no_answer"
