"""Which leads are one, from the events. Of several merges and unmerges of a lead the latest in order holds. Pure."""

from collections.abc import Iterable

from shared import merges
from shared.events import Event, LeadMerged, LeadUnmerged


def survivors(events: Iterable[Event]) -> dict[str, str]:
    """Merged lead -> the lead that it counts as; a lead that stands by itself is not in the answer."""
    told: dict[str, Event] = {}
    for event in events:
        if isinstance(event.data, LeadMerged | LeadUnmerged):
            held = told.get(event.subject)
            if held is None or event.order > held.order:
                told[event.subject] = event
    return merges.survivors(
        {lead: (e.order, e.data.into) for lead, e in told.items() if isinstance(e.data, LeadMerged)}
    )
