"""A telephone call as the telephones tell of it -> the activity. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.ingest.providers.base import UNKNOWN_REP, Happened, Nothing, needed
from shared.events import CallOutcome

ANSWERED: CallOutcome = "gatekeeper"
"""Somebody answered; a telephone cannot tell whether it was the person in charge. The rep says so by a correction."""


def is_outbound(direction: Any, name: str) -> bool:
    """`inbound` or `outbound`, in whatever case. Raises Unusable, which names the part."""
    said = direction.lower() if isinstance(direction, str) else None
    return needed(said if said in ("inbound", "outbound") else None, name) == "outbound"


def seconds_between(start: datetime | None, end: datetime | None) -> int | None:
    """Whole seconds; None when one of the times is not known, or they stand in the wrong order."""
    if start is None or end is None or end < start:
        return None
    return int((end - start).total_seconds())


def call(
    id_: str,
    *,
    outbound: bool,
    number: str | None,
    rep: str | None,
    outcome: CallOutcome,
    at: datetime,
    raw: Any,
    duration_s: int | None = None,
    external_id: str | None = None,
    compared: Sequence[str] | None = None,
) -> Happened | Nothing:
    """`number`: the lead's; `at`: when it began to ring; `duration_s`: how long they talked, as far as it is known.

    `external_id`: who the lead is, where the sender knows more than a number. `compared`: as Happened has it, for
    telephones that tell of one call in several events.
    """
    if external_id is None and (number is None or not any(character.isdigit() for character in number)):
        return Nothing(reason="the other number is withheld", raw=raw)
    activity = {
        "id": id_,
        "type": "call",
        "occurred_at": at,
        "lead": {"phone": number} if external_id is None else {"external_id": external_id},
        "rep": rep or UNKNOWN_REP,
        "direction": "outbound" if outbound else "inbound",
        "outcome": outcome,
        "duration_s": duration_s,
    }
    return Happened(activity=activity, raw=raw, compared=compared)
