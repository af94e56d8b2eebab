"""Which leads are one. Pure.

Of several merges and unmerges of a lead the latest in order holds, and a lead counts as the one at the end of its chain
of merges. Where merges form a ring, the one told last is as if it had never been. The answer depends only on the set of
events.
"""

from collections.abc import Iterable

from services.metrics.contributions.order import Order
from shared.events import Event, LeadMerged, LeadUnmerged

Merges = dict[str, tuple[Order, str]]
"""Merged lead -> (order of the event that told so, what it was merged into)."""


def survivors(events: Iterable[Event]) -> dict[str, str]:
    """Merged lead -> the lead that it counts as; a lead that stands by itself is not in the answer."""
    told: dict[str, Event] = {}
    for event in events:
        if isinstance(event.data, LeadMerged | LeadUnmerged):
            held = told.get(event.subject)
            if held is None or event.order > held.order:
                told[event.subject] = event
    merges = {lead: (e.order, e.data.into) for lead, e in told.items() if isinstance(e.data, LeadMerged)}
    for lead in list(merges):
        path, again = _path(merges, lead)
        if again is not None:
            del merges[max(path[path.index(again) :], key=lambda member: merges[member][0])]
    return {lead: _path(merges, lead)[0][-1] for lead in merges}


def _path(merges: Merges, lead: str) -> tuple[list[str], str | None]:
    """The lead, what it was merged into, and so on; and, where that ends in a ring, the lead that came again."""
    path = [lead]
    while path[-1] in merges:
        into = merges[path[-1]][1]
        if into in path:
            return path, into
        path.append(into)
    return path, None
