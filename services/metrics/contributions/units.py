"""Units: what is counted by itself, and what ties several together. Pure.

A unit is a lead, or a company with its contracts. Most stand alone. Where the same opportunity or appointment is told
of several leads, or a correction gives a contract to another company, they are tied: one cannot be counted without the
other, so they are counted as one group. Ties only ever grow: a correction that is voided leaves them, and what is truly
the case is decided inside the group. So the groups depend on the set of events alone, not on their order.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from shared.events import Appointment, Contract, Correction, Event, Opportunity, Spend

TYING = {"opportunity_id": "opportunity", "appointment_id": "appointment", "company": "company"}
"""Members of an activity's data that may be shared between units, and the kind of tie that they are."""


def unit_of(event: Event) -> str:
    """The unit that an event is about. Lead ids hold no space, so the kinds cannot meet."""
    match event.data:
        case Contract() as contract:
            return f"company {contract.company}"
        case Spend() as spend:
            return f"spend {spend.campaign or ''}"
        case _:
            return event.subject


def ties_of(event: Event) -> frozenset[str]:
    """What an event that is no correction ties its unit to."""
    match event.data:
        case Opportunity() as opportunity:
            return frozenset({f"opportunity {opportunity.opportunity_id}"})
        case Appointment() as appointment:
            return frozenset({f"appointment {appointment.appointment_id}"})
        case Contract() as contract:
            return frozenset({f"company {contract.company}"})
        case _:
            return frozenset()


def ties_of_correction(event: Event) -> frozenset[str]:
    """What a correction may tie the unit of the corrected event to, if it holds."""
    if not isinstance(event.data, Correction) or event.data.data is None:
        return frozenset()
    return frozenset(_mentioned(msgspec.json.decode(msgspec.json.encode(event.data.data))))


def _mentioned(data: Mapping[str, Any]) -> Iterator[str]:
    for name, kind in TYING.items():
        if isinstance(data.get(name), str):
            yield f"{kind} {data[name]}"
    if isinstance(data.get("data"), dict):  # a correction of a correction holds the data of another event
        yield from _mentioned(data["data"])


def joined(groups: Iterable[frozenset[str]]) -> list[frozenset[str]]:
    """The sets united wherever they share a member."""
    found: list[frozenset[str]] = []
    for group in groups:
        apart = [other for other in found if not other & group]
        found = [*apart, group.union(*(other for other in found if other & group))]
    return found
