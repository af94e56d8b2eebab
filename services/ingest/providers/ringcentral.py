"""RingCentral: telephony sessions. Each event tells how the parties of a call stand; the token is a header."""

import re
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
    Verdict,
    is_same,
    needed,
)
from services.ingest.providers.calls import ANSWERED, call, is_outbound
from services.ingest.providers.encodings import JSON, read_object
from services.ingest.providers.reading import object_at, objects_in, text_of, time_of
from shared.events import CallOutcome

HEADER = "validation-token"
REASONS: Mapping[str, CallOutcome] = {
    "NoAnswer": "no_answer",
    "Cancelled": "no_answer",
    "Rejected": "no_answer",
    "Timeout": "no_answer",
    "TargetBusy": "busy",
    "InvalidNumber": "invalid_number",
    "NoSuchUser": "invalid_number",
}
"""By the `reason` of a disconnection; other ones do not say that nobody answered."""
ELSEWHERE = {
    "Pickup",
    "TakeOver",
    "BlindTransfer",
    "AttendedTransfer",
    "CallFlip",
    "CallPark",
    "CallSwitch",
    "AgentAnswered",
}
"""Reasons for which one party goes while the call goes on."""

_FIT = re.compile(r"[!-~]{1,255}")


class RingCentral(Provider):
    """On subscribing it posts nothing but the token, and wants it back; afterwards each delivery repeats it."""

    media_types = frozenset({JSON})

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> Verdict:
        if not secrets or _asks(delivery):
            return Verdict.GENUINE
        told = [delivery.headers.get(HEADER, ""), delivery.headers.get("verification-token", "")]
        matches = [is_same(a, b) for a in told for b in secrets]
        return Verdict.GENUINE if any(matches) else Verdict.WRONG

    def challenge(self, delivery: Delivery, secrets: Sequence[str]) -> Reply | None:
        return Reply({}, headers={"Validation-Token": delivery.headers[HEADER]}) if _asks(delivery) else None

    async def read(self, delivery: Delivery) -> Payload:
        event = read_object(delivery.body)
        push = object_at(event, "pn_apns") or event
        if not needed(text_of(push.get("event")), "event").endswith("/telephony/sessions"):
            return Payload(entries=[Nothing(reason="no event of a telephone session", raw=event)])
        session = needed(object_at(push, "body") or None, "body")
        parties = needed(objects_in(session.get("parties")) or None, "body.parties")
        return Payload(entries=[_ended(session, party) for party in parties])


def _asks(delivery: Delivery) -> bool:
    """Whether it is the question on subscribing. Its token is made by RingCentral, and nothing comes of the answer."""
    return not delivery.body and _FIT.fullmatch(delivery.headers.get(HEADER, "")) is not None


def _ended(session: Mapping[str, Any], party: dict[str, Any]) -> Entry:
    code, reason = (text_of(object_at(party, "status").get(name)) for name in ("code", "reason"))
    outbound = is_outbound(party.get("direction"), "body.parties[].direction")
    is_over = code == "Disconnected" and reason not in ELSEWHERE
    if not is_over and not (code == "VoiceMail" and not outbound):
        return Nothing(reason="the call is not over yet", raw=session)
    if text_of(party.get("extensionId")) is None:
        return Nothing(reason="the other party of the call; ours tells of it", raw=session)
    other = object_at(party, "to" if outbound else "from")
    if text_of(other.get("extensionId")) is not None:
        return Nothing(reason="a call between our own extensions", raw=session)
    is_missed = party.get("missedCall") is True
    if is_missed and party.get("queueCall") is True:
        return Nothing(reason="one telephone of several rang in vain; another one tells of the call", raw=session)
    outcome: CallOutcome = "no_answer" if is_missed else REASONS.get(reason or "", ANSWERED)
    return call(
        f"call {needed(text_of(session.get('telephonySessionId')), 'telephonySessionId')}",
        outbound=outbound,
        number=text_of(other.get("phoneNumber")),
        rep=text_of(party.get("extensionId")),
        outcome=outcome if is_over else "voicemail",
        at=_time(session),
        raw=session,
        compared=("type",),  # later events of the session tell of the same end at another time
    )


def _time(session: Mapping[str, Any]) -> datetime:
    """When the session began, where it is said; else the time of the event."""
    return time_of(session.get("creationTime")) or needed(time_of(session.get("eventTime")), "eventTime")
