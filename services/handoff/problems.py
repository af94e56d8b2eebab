"""The errors that are this service's own."""

from datetime import date
from typing import TYPE_CHECKING

from shared.web import Problem, not_found

if TYPE_CHECKING:
    from services.handoff.decide import Readiness


def unknown_lead(lead_id: str) -> Problem:
    return not_found(f"No lead {lead_id} is known here (yet); ingest tells of new leads within moments.")


def erased_lead() -> Problem:
    return Problem(410, "lead-erased", "The lead was erased", "Its personal data is gone; what was counted stays.")


def unknown_handoff(handoff_id: str) -> Problem:
    return not_found(f"There is no handoff {handoff_id}.")


def handoff_open(handoff_id: str) -> Problem:
    detail = f"Handoff {handoff_id} of this lead waits for an answer; accept or return it first."
    return Problem(409, "handoff-open", "The lead is handed over already", detail, handoff_id=handoff_id)


def not_ready(readiness: "Readiness") -> Problem:
    what = [f"{c.id} is {c.result}" for c in readiness.criteria if c.result != "met"]
    detail = f"{'; '.join(what)}. Ask for what is missing, or hand over with an override."
    return Problem(409, "handoff-not-ready", "The lead is not ready for sales", detail, readiness=readiness)


def no_policy(today: date) -> Problem:
    """Whoever asks is not to blame, and may ask again once there is one."""
    detail = f"No version of a policy is valid on {today}; make one without an end, by its file or by PUT."
    return Problem(503, "no-policy", "No policy decides today", detail, headers={"Retry-After": "60"})


def no_owner(segment: str) -> Problem:
    detail = f"The policy routes neither segment {segment} nor any other to a member of sales; add `routing` to it."
    return Problem(409, "handoff-no-owner", "Nobody would get the handoff", detail)


def not_pending(handoff_id: str, status: str) -> Problem:
    detail = f"Handoff {handoff_id} was {status} before."
    return Problem(409, "handoff-decided", "The handoff is decided already", detail, handoff_status=status)
