"""What can be asked of handoff."""

from collections.abc import Mapping
from typing import Any

from .operation import Operation, given, part
from .types import Handoff, LeadHistory, Package, Page, Questions, Readiness, Stages


def readiness(lead_id: str) -> Operation[Readiness]:
    """Whether the lead may be handed over, why, and what is still to be asked."""
    return Operation("handoff", "GET", f"/v1/leads/{part(lead_id)}/readiness", Readiness)


def questions(lead_id: str) -> Operation[Questions]:
    """What to ask the lead next, and why, the most urgent first."""
    return Operation("handoff", "GET", f"/v1/leads/{part(lead_id)}/questions", Questions)


def history(lead_id: str, limit: int | None = None) -> Operation[LeadHistory]:
    """The contacts and deals of a lead, the newest first."""
    path = f"/v1/leads/{part(lead_id)}/history"
    return Operation("handoff", "GET", path, LeadHistory, query=given(limit=limit))


def hand_over(
    lead_id: str,
    *,
    rep: str,
    reason: str,
    appointment: Mapping[str, Any] | None = None,
    override: str | None = None,
) -> Operation[Package]:
    """Hand a lead to sales; `override` says why although it is not ready.

    Conflict with the slug `handoff-not-ready` (the document holds the readiness) or `handoff-open`.
    """
    body: dict[str, Any] = {"lead_id": lead_id, "rep": rep, "reason": reason}
    if appointment is not None:
        body["appointment"] = appointment
    if override is not None:
        body["override"] = {"reason": override}
    return Operation("handoff", "POST", "/v1/handoffs", Package, body)


def inbox(
    *,
    status: str | None = None,
    owner: str | None = None,
    segment: str | None = None,
    overdue: bool | None = None,
    limit: int | None = None,
) -> Operation[Page[Handoff]]:
    """Handoffs, oldest due first. `overdue`: those whose time is over, or was when they were decided."""
    late = None if overdue is None else str(overdue).lower()
    query = given(status=status, owner=owner, segment=segment, overdue=late, limit=limit)
    return Operation("handoff", "GET", "/v1/handoffs", Page[Handoff], query=query)


def handoff(handoff_id: str) -> Operation[Package]:
    """The package of a handoff."""
    return Operation("handoff", "GET", f"/v1/handoffs/{part(handoff_id)}", Package)


def accept(handoff_id: str, *, sales_rep: str) -> Operation[Package]:
    """Take the lead."""
    path = f"/v1/handoffs/{part(handoff_id)}/accept"
    return Operation("handoff", "POST", path, Package, {"sales_rep": sales_rep})


def give_back(handoff_id: str, *, sales_rep: str, reason: str, comment: str = "") -> Operation[Package]:
    """Return the lead; `reason` is one of the contract's words, for example `unreachable`."""
    body = {"sales_rep": sales_rep, "reason": reason, "comment": comment}
    return Operation("handoff", "POST", f"/v1/handoffs/{part(handoff_id)}/return", Package, body)


def reassign(
    handoff_id: str, *, owner: str, reason: str, sales_rep: str | None = None, extend: bool = False
) -> Operation[Package]:
    """Give a handoff that nobody has answered to another member of field sales; `sales_rep`: who says so; `extend`: the
    time in which it has to be answered begins anew. Conflict when it is decided."""
    body: dict[str, Any] = {"owner": owner, "reason": reason, "extend": extend}
    if sales_rep is not None:
        body["sales_rep"] = sales_rep
    return Operation("handoff", "POST", f"/v1/handoffs/{part(handoff_id)}/reassign", Package, body)


def recycle(lead_id: str, *, reason: str) -> Operation[Stages]:
    """Begin the lead's next cycle."""
    return Operation("handoff", "POST", f"/v1/leads/{part(lead_id)}/recycle", Stages, {"reason": reason})


def stages(lead_id: str, limit: int | None = None) -> Operation[Stages]:
    """Where the lead stands and how it came there."""
    return Operation("handoff", "GET", f"/v1/leads/{part(lead_id)}/stages", Stages, query=given(limit=limit))


def policy_versions(policy_id: str, limit: int | None = None) -> Operation[dict[str, Any]]:
    """All versions of a policy."""
    path = f"/v1/policies/{part(policy_id)}/versions"
    return Operation("handoff", "GET", path, dict[str, Any], query=given(limit=limit))


def policies(limit: int | None = None) -> Operation[dict[str, Any]]:
    """The policies, each in its newest version, and which version of each is in force."""
    return Operation("handoff", "GET", "/v1/policies", dict[str, Any], query=given(limit=limit))


def policy(policy_id: str, version: int) -> Operation[dict[str, Any]]:
    """A version of a policy."""
    return Operation("handoff", "GET", f"/v1/policies/{part(policy_id)}/versions/{version}", dict[str, Any])


def policy_changes(policy_id: str, version: int, *, since: int | None = None) -> Operation[dict[str, Any]]:
    """What a version of a policy changed, in words; compared to the one before it unless `since` says to which."""
    path = f"/v1/policies/{part(policy_id)}/versions/{version}/changes"
    return Operation("handoff", "GET", path, dict[str, Any], query=given(since=since))


def definitions() -> Operation[dict[str, Any]]:
    """What a customer, an appointment and each stage is, in words."""
    return Operation("handoff", "GET", "/v1/definitions", dict[str, Any])


def backtest(policy: Mapping[str, Any], *, first: str, last: str, known: str = "observed") -> Operation[dict[str, Any]]:
    """What a policy would have done from a day to a day (`2026-04-01`, both included), beside what was done.

    It may take a minute: give it a client with a longer `timeout_s`, or a short time.
    """
    body = {"policy": dict(policy), "from": first, "to": last, "known": known}
    return Operation("handoff", "POST", "/v1/policies/backtest", dict[str, Any], body)


def results(*, first: str | None = None, last: str | None = None) -> Operation[dict[str, Any]]:
    """What became of handoffs, by policy version, segment, rep, owner, source and criterion."""
    return Operation(
        "handoff", "GET", "/v1/handoffs/results", dict[str, Any], query=given(**{"from": first, "to": last})
    )


def stage_flow(*, first: str | None = None, last: str | None = None) -> Operation[dict[str, Any]]:
    """How leads flow through the stages: how many go on, after how many days, and where they drop off."""
    return Operation("handoff", "GET", "/v1/stages", dict[str, Any], query=given(**{"from": first, "to": last}))
