"""What a set of events contributes to the numbers. Pure: no SQL, no clock, no order of arrival.

`contributions(events of one unit) -> {Fact: Amount}`, and every KPI is a sum over facts. So taking a batch is: new
contributions minus old ones, for each unit that the batch touches; duplicates, late events, corrections and changed
segments need no code of their own. A unit is a lead, or a company with its contracts. `linear` holds what each event
contributes by itself, `digest_facts` what only a unit's events together tell; `truth` says what the events are once
corrections are applied.
"""

from collections.abc import Iterable, Iterator, Sequence

from services.metrics.contributions.digest_facts import digest_facts
from services.metrics.contributions.facts import Contribution, Contributions
from services.metrics.contributions.lead import LeadState
from services.metrics.contributions.linear import event_facts
from services.metrics.contributions.rules import Rules
from shared.events import Contract, Event, Spend


def contributions(events: Iterable[Event], rules: Rules) -> tuple[LeadState, Contributions]:
    """The digest and all contributions of one unit, from all its events as they truly are (corrections applied)."""
    true_events = list(events)
    state = digest(true_events, rules)
    found = Contributions()
    found.add_all(explained(true_events, state, rules))
    return state, found


def digest(events: Sequence[Event], rules: Rules) -> LeadState:
    """The digest of all true events of one unit."""
    state = LeadState()
    for event in events:
        state.absorb(event, rules)
    state.respond(events, None, complete=True)
    return state


def explained(events: Iterable[Event], state: LeadState, rules: Rules) -> Iterator[Contribution]:
    """Every contribution of a unit with the events that it rests on."""
    for event in events:
        yield from event_facts(event, state.attributes, rules)
    yield from digest_facts(state, rules)


def unit_of(event: Event) -> str:
    """The unit whose numbers an event changes. Lead ids hold no space, so the kinds cannot meet."""
    match event.data:
        case Contract() as contract:
            return f"company {contract.company}"
        case Spend() as spend:
            return f"spend {spend.campaign or ''}"
        case _:
            return event.subject
