"""`/handoffs`: the inbox of sales, and `/handoffs/{id}`: why this lead."""

from starlette.responses import Response

from services.console.site import Visit
from shared.client import handoff
from shared.client.errors import Conflict, Invalid
from shared.client.types import Package

PAGE, HISTORY = 50, 50
REASONS = (
    "unreachable", "bad_data", "no_need", "no_budget", "no_authority", "bad_timing", "not_a_fit", "duplicate",
)  # fmt: skip


async def index(visit: Visit) -> Response:
    """What waits, oldest due first; `mine`: of whoever is signed in."""
    asked = visit.request.query_params
    chosen = asked.get("status", "")
    chosen = chosen if chosen in ("pending", "accepted", "returned") else "pending"
    owner = asked.get("owner", visit.session.rep if asked.get("mine") else "") or None
    operation = handoff.inbox(status=chosen, owner=owner, limit=PAGE)
    if cursor := asked.get("cursor"):
        operation = operation.at(cursor)
    found = await visit.send(operation)
    members = visit.site.config.team.member_ids
    return visit.show("handoffs.html", found=found, chosen=chosen, owner=owner, members=members, reasons=REASONS)


async def show(visit: Visit) -> Response:
    """The package of one handoff."""
    return _package(visit, await visit.send(handoff.handoff(visit.request.path_params["id"])))


async def accept(visit: Visit) -> Response:
    """Sales takes the lead."""
    handoff_id, form = visit.request.path_params["id"], await visit.form()
    try:
        package = await visit.send(handoff.accept(handoff_id, sales_rep=form.get("sales_rep") or visit.session.rep))
    except (Conflict, Invalid) as error:
        return await _refused(visit, handoff_id, error)
    return _decided(visit, package)


async def give_back(visit: Visit) -> Response:
    """Sales gives the lead back, with a reason."""
    handoff_id, form = visit.request.path_params["id"], await visit.form()
    sales_rep = form.get("sales_rep") or visit.session.rep
    reason, comment = form.get("reason", ""), form.get("comment", "")
    try:
        package = await visit.send(handoff.give_back(handoff_id, sales_rep=sales_rep, reason=reason, comment=comment))
    except (Conflict, Invalid) as error:
        return await _refused(visit, handoff_id, error)
    return _decided(visit, package)


def _decided(visit: Visit, package: Package) -> Response:
    if visit.is_partial:
        return visit.show("handoff_row.html", one=package, reasons=REASONS, error=None)
    return visit.go(f"/handoffs/{package.handoff_id}")


async def _refused(visit: Visit, handoff_id: str, error: Conflict | Invalid) -> Response:
    package = await visit.send(handoff.handoff(handoff_id))
    if visit.is_partial:
        return visit.show("handoff_row.html", error.status, one=package, reasons=REASONS, error=error)
    return _package(visit, package, error.status, error)


def _package(visit: Visit, package: Package, status: int = 200, error: Conflict | Invalid | None = None) -> Response:
    return visit.show("handoff.html", status, one=package, reasons=REASONS, error=error, shown_of_history=HISTORY)
