"""What a set of events contributes to the numbers. Pure: no SQL, no clock, no order of arrival.

`contributions(events of a group of units) -> {Fact: Amount}`, and every KPI is a sum over facts. So taking a batch is:
new contributions minus old ones, for each group that the batch touches; duplicates, late events, corrections and
changed segments need no code of their own. `units` says what belongs together (mostly a lead stands alone), `linear`
holds what each event contributes by itself, `digest_facts` what only a unit's events together tell; `truth` says what
the events are once corrections are applied.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from services.metrics.contributions.digest_facts import digest_facts
from services.metrics.contributions.facts import Contribution, Contributions
from services.metrics.contributions.lead import LeadState, share
from services.metrics.contributions.linear import event_facts
from services.metrics.contributions.rules import Rules
from services.metrics.contributions.units import unit_of
from shared.events import Event


def contributions(events: Iterable[Event], rules: Rules) -> tuple[dict[str, LeadState], Contributions]:
    """The digest of each unit and all contributions of a group, from its events as they truly are."""
    true_events = list(events)
    states = digests(true_events, rules)
    found = Contributions()
    found.add_all(contribution for _, contribution in explained(true_events, states, rules))
    return states, found


def digests(events: Iterable[Event], rules: Rules) -> dict[str, LeadState]:
    """The digest of each unit of a group, from all its true events."""
    by_unit: dict[str, list[Event]] = {}
    for event in events:
        by_unit.setdefault(unit_of(event), []).append(event)
    states = {unit: _digest(of_unit, rules) for unit, of_unit in by_unit.items()}
    share(states)
    return states


def _digest(events: Sequence[Event], rules: Rules) -> LeadState:
    state = LeadState()
    for event in events:
        state.absorb(event, rules)
    state.respond(events, None, complete=True)
    return state


def explained(
    events: Iterable[Event], states: Mapping[str, LeadState], rules: Rules
) -> Iterator[tuple[str, Contribution]]:
    """Every contribution of a group with its unit and the events that it rests on."""
    for event in events:
        unit = unit_of(event)
        yield from ((unit, contribution) for contribution in event_facts(event, states[unit].attributes, rules))
    for unit, state in states.items():
        yield from ((unit, contribution) for contribution in digest_facts(state, rules))
