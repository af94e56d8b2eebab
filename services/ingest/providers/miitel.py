"""MiiTel: calls, told of when their analysis is complete or nobody answered. A header of yours is what proves it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
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
    verify_told_secret,
)
from services.ingest.providers.calls import ANSWERED, call, seconds_between
from services.ingest.providers.encodings import JSON, read_object
from services.ingest.providers.reading import object_at, objects_in, text_of, time_of

OUTBOUND = {"OUTGOING_CALL", "PREDICTIVE_DIAL"}
INBOUND = {"INCOMING_CALL", "INCOMING_CALL_USER", "QUEUEING_CALL"}


class MiiTel(Provider):
    """Transcripts and minutes of one call come later and again (MiiTel may repeat its last 15 minutes): the call is the
    same, so they are repetitions."""

    media_types = frozenset({JSON})

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> Verdict:
        return verify_told_secret(delivery, secrets)

    def challenge(self, delivery: Delivery, secrets: Sequence[str]) -> Reply | None:
        try:
            token = read_object(delivery.body).get("challenge")
        except Unusable:
            return None
        return Reply(token, "text/plain") if isinstance(token, str) and 0 < len(token) <= 500 else None

    async def read(self, delivery: Delivery) -> Payload:
        body = read_object(delivery.body)
        legs = needed(objects_in(object_at(body, "call").get("details")) or None, "call.details")
        following = {previous: leg for leg in legs if (previous := text_of(leg.get("previous_id")))}
        return Payload(entries=[_leg(leg, following) for leg in legs])


def _leg(leg: dict[str, Any], following: Mapping[str, dict[str, Any]]) -> Entry:
    """A call that is passed on goes on in further legs; it counts at the first, as answered when any was answered."""
    kind = text_of(leg.get("call_type"))
    if kind not in OUTBOUND | INBOUND:
        return Nothing(reason="no call from or to outside", raw=leg)
    if text_of(leg.get("previous_id")) is not None:
        return Nothing(reason="the rest of a call that is told of at its beginning", raw=leg)
    outbound = kind in OUTBOUND
    id_ = needed(text_of(leg.get("id")), "call.details[].id")
    taken = next((part for part in _course(id_, leg, following) if _answered(part)), leg)
    return call(
        f"call {id_}",
        outbound=outbound,
        number=text_of(leg.get("to_number" if outbound else "from_number")),
        rep=_operator(taken, "FROM" if outbound else "TO"),
        outcome=ANSWERED if _answered(taken) else "no_answer",
        at=needed(time_of(leg.get("dial_starts_at")), "call.details[].dial_starts_at"),
        duration_s=seconds_between(_answered(taken), time_of(taken.get("dial_ends_at"))),
        raw=leg,
    )


def _course(id_: str, leg: dict[str, Any], following: Mapping[str, dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """The leg and those that follow it, in their order; a ring, which would be a mistake of theirs, ends."""
    course, last = [leg], id_
    while last in following and len(course) <= len(following):
        course.append(following[last])
        last = text_of(course[-1].get("id")) or ""
    return course


def _answered(leg: Mapping[str, Any]) -> datetime | None:
    return time_of(leg.get("dial_answered_at"))


def _operator(leg: Mapping[str, Any], side: str) -> str | None:
    """The login of our participant."""
    logins = [text_of(one.get("login_id")) for one in objects_in(leg.get("participants")) if one.get("from_to") == side]
    return next((login for login in logins if login), None)
