"""What a set of events contributes to the numbers. Pure: no SQL, no clock, no order of arrival.

`contributions(events of one lead) -> {Fact: Amount}`, and every KPI is a sum over facts. So taking a batch is: new
contributions minus old ones, for each lead that the batch touches; duplicates, late events, corrections and changed
segments need no code of their own. `linear` holds what each event contributes by itself, `lead` what only a lead's
events together tell; `truth` says what the events are once corrections are applied.
"""

from collections.abc import Iterable

from services.metrics.contributions.facts import Contributions
from services.metrics.contributions.lead import LeadState, lead_facts
from services.metrics.contributions.linear import event_facts
from services.metrics.contributions.rules import Rules
from shared.events import Event


def contributions(events: Iterable[Event], rules: Rules) -> tuple[LeadState, Contributions]:
    """The state and all contributions of one lead, from all its events as they truly are (corrections applied)."""
    true_events = list(events)
    state = LeadState()
    for event in true_events:
        state.absorb(event, rules)
    found = Contributions()
    for event in true_events:
        found.add_all(event_facts(event, state.attributes, rules))
    found.add_all(lead_facts(state, rules))
    return state, found
