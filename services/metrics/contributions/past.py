"""What was known when, for KPIs `as_of: event`. Pure.

Their facts are kept beside the others, under names of their own: `segment`, `industry` and `campaign` are what all
observations made and campaigns told by the time of the fact say, by today's rules, and stay so when more becomes known.
They are made only for facts that such a KPI selects, so whoever has none pays nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain

import msgspec

from services.metrics.contributions.digest_facts import Part, digest_facts
from services.metrics.contributions.facts import Contribution
from services.metrics.contributions.kinds import as_of_event
from services.metrics.contributions.lead import LeadState, Past
from services.metrics.contributions.linear import event_facts
from services.metrics.contributions.rules import Rules
from shared.events import Event, LeadCreated, LeadFields


def facts_of_event(event: Event, state: LeadState, rules: Rules) -> Iterable[Contribution]:
    """What one event of a unit contributes by itself, as best known now and as known then."""
    now = event_facts(event, state.attributes, rules)
    if not rules.as_of_event:
        return now
    return (*now, *_then(event_facts(event, state.attributes_at(event.time), rules), rules))


def facts_of_unit(state: LeadState, rules: Rules, parts: Sequence[Part] | None = None) -> Iterable[Contribution]:
    """What only a unit's events together tell, as best known now and as known then; of some parts of it, or of all."""
    now = digest_facts(state, lambda _: state.attributes, rules, parts)
    if not rules.as_of_event:
        return now
    return chain(now, _then(digest_facts(state, state.attributes_at, rules, parts), rules))


def _then(contributed: Iterable[Contribution], rules: Rules) -> Iterator[Contribution]:
    for fact, amount, said in contributed:
        dimensions = fact.dimensions
        if dimensions.name in rules.as_of_event:
            renamed = dimensions._replace(name=as_of_event(dimensions.name))
            yield Contribution(fact._replace(dimensions=renamed), amount, said)


def tells(event: Event) -> bool:
    """Whether the event may change what was known when."""
    return isinstance(event.data, LeadCreated | LeadFields)


def past_of(events: Iterable[Event], own: Iterable[Event], rules: Rules) -> Past:
    """Since when what was known of a unit. `own`: those of its events that are not of leads merged into it."""
    telling = [event for event in events if tells(event)]
    own_telling = [event for event in own if tells(event)]
    past: Past = []
    for moment in sorted({moment for event in telling for moment in _moments(event, rules)}):
        state = _told_by(moment, telling, rules)
        if len(own_telling) < len(telling):
            state.prefer(_told_by(moment, own_telling, rules), rules)
        if not past or past[-1][1] != state.attributes:
            past.append((moment, state.attributes))
    return past


def _moments(event: Event, rules: Rules) -> Iterator[datetime]:
    if isinstance(event.data, LeadFields):
        yield from (o.observed_at for o in event.data.observations if rules.tracks(o))
    if isinstance(event.data, LeadCreated | LeadFields) and event.data.campaign:
        yield event.time


def _told_by(moment: datetime, telling: Sequence[Event], rules: Rules) -> LeadState:
    """The digest of what was observed and told by then."""
    state = LeadState()
    for event in telling:
        data = event.data
        if isinstance(data, LeadFields):
            known = [o for o in data.observations if o.observed_at <= moment]
            campaign = data.campaign if event.time <= moment else None
            state.absorb(msgspec.structs.replace(event, data=LeadFields(observations=known, campaign=campaign)), rules)
        elif event.time <= moment:
            state.absorb(event, rules)
    return state
