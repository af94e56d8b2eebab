"""Units: what is counted by itself, and what ties several together. Pure.

A unit is a lead, or a company with its contracts. Most stand alone. Where the same opportunity or appointment is told
of several leads, leads are merged, or a contract is told of under several names of its company, they are tied: one
cannot be counted without the other, so they are counted as one group. Ties only ever grow: a correction that is voided
or a merge that is undone leaves them, and what is truly the case is decided inside the group. So the groups depend on
the set of events alone, not on their order.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from shared.events import Appointment, Contract, Correction, Event, LeadMerged, Opportunity, Spend

Tie = tuple[str, str]
"""(what is shared, a unit that shares it)."""
TYING = {
    "opportunity_id": "opportunity",
    "appointment_id": "appointment",
    "contract_id": "contract",
    "company": "company",
    "into": "lead",
}
"""Members of an event's data that units may share, and the kind of tie that they are."""
TYING_EVENTS = frozenset({"opportunity", "appointment", "contract", "lead-merged"})
"""Names of the events that may tie units by themselves."""


def unit_of(event: Event) -> str:
    """The unit that an event is about. Lead ids hold no space, so the kinds cannot meet."""
    data = event.data
    if type(data) is Contract:
        return f"company {data.company}"
    if type(data) is Spend:
        return f"spend {data.campaign or ''}"
    return event.subject


def ties_of(event: Event) -> Iterator[Tie]:
    """How an event that is no correction ties units."""
    match event.data:
        case Opportunity() as opportunity:
            yield f"opportunity {opportunity.opportunity_id}", event.subject
        case Appointment() as appointment:
            yield f"appointment {appointment.appointment_id}", event.subject
        case Contract() as contract:
            yield f"company {contract.company}", unit_of(event)
            yield f"contract {contract.contract_id}", unit_of(event)
        case LeadMerged() as merged:
            yield from _merging(event.subject, merged.into)


def ties_of_correction(event: Event, unit: str) -> Iterator[Tie]:
    """How a correction may tie the unit of the corrected event, if it holds."""
    if isinstance(event.data, Correction) and event.data.data is not None:
        for kind, name in _mentioned(msgspec.json.decode(msgspec.json.encode(event.data.data))):
            yield from _merging(unit, name) if kind == "lead" else [(f"{kind} {name}", unit)]


def _merging(lead: str, into: str) -> Iterator[Tie]:
    """Both sides: the survivor may never have told anything itself."""
    yield f"lead {into}", lead
    yield f"lead {into}", into


def _mentioned(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, kind in TYING.items():
        if isinstance(data.get(name), str):
            yield kind, data[name]
    if isinstance(data.get("data"), dict):  # a correction of a correction holds the data of another event
        yield from _mentioned(data["data"])


def joined(groups: Iterable[frozenset[str]]) -> list[frozenset[str]]:
    """The sets united wherever they share a member."""
    found: list[frozenset[str]] = []
    for group in groups:
        apart = [other for other in found if not other & group]
        found = [*apart, group.union(*(other for other in found if other & group))]
    return found
