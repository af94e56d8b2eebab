"""What a set of events contributes to the numbers. Pure: no SQL, no clock, no order of arrival.

`contributions(events of a group of units) -> {Fact: Amount}`, and every KPI is a sum over facts. So taking a batch is:
new contributions minus old ones, for each group that the batch touches; duplicates, late events, corrections and
changed segments need no code of their own. `units` says what belongs together (mostly a lead stands alone), `linear`
holds what each event contributes by itself, `digest_facts` what only a unit's events together tell, both as best known
now and (`past`) as known then; `truth` says what
the events are once corrections are applied, `merges` which leads are one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from services.metrics.contributions.facts import Contribution, Contributions
from services.metrics.contributions.lead import LeadState, share
from services.metrics.contributions.merges import survivors
from services.metrics.contributions.past import facts_of_event, facts_of_unit, past_of
from services.metrics.contributions.rules import Rules
from services.metrics.contributions.units import unit_of
from shared.events import Event


class Group(NamedTuple):
    """A group of units as all its true events tell of it."""

    states: Mapping[str, LeadState]
    """Digest of each unit that is counted."""
    survivors: Mapping[str, str]
    """Merged lead -> the unit that it is counted as."""

    def unit_of(self, event: Event) -> str:
        """The unit that the event is counted for."""
        unit = unit_of(event)
        return self.survivors.get(unit, unit)


def contributions(events: Iterable[Event], rules: Rules) -> tuple[Group, Contributions]:
    """A group and all its contributions, from its events as they truly are."""
    true_events = list(events)
    group = group_of(true_events, rules)
    found = Contributions()
    found.add_all(contribution for _, contribution in explained(true_events, group, rules))
    return group, found


def group_of(events: Iterable[Event], rules: Rules) -> Group:
    """The group that true events tell of."""
    events = list(events)
    group = Group({}, survivors(events))
    by_unit: dict[str, list[Event]] = {}
    for event in events:
        by_unit.setdefault(group.unit_of(event), []).append(event)
    states = {unit: _digest(of_unit, rules) for unit, of_unit in by_unit.items()}
    for unit in frozenset(group.survivors.values()):
        own = [event for event in by_unit[unit] if unit_of(event) == unit]
        states[unit].prefer(_digest(own, rules), rules)
    if rules.as_of_event:
        for unit, of_unit in by_unit.items():
            states[unit].past = past_of(of_unit, (event for event in of_unit if unit_of(event) == unit), rules)
    share(states)
    return group._replace(states=states)


def _digest(events: Sequence[Event], rules: Rules) -> LeadState:
    state = LeadState()
    for event in events:
        state.absorb(event, rules)
    state.respond(events, None, complete=True)
    return state


def explained(events: Iterable[Event], group: Group, rules: Rules) -> Iterator[tuple[str, Contribution]]:
    """Every contribution of a group with its unit and the events that it rests on."""
    for event in events:
        unit = group.unit_of(event)
        yield from ((unit, contribution) for contribution in facts_of_event(event, group.states[unit], rules))
    for unit, state in group.states.items():
        yield from ((unit, contribution) for contribution in facts_of_unit(state, rules))
