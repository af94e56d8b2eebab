"""What only a lead's events together tell: its creation, attributes, second call, opportunities and deals.

`LeadState` is a digest of all events of a lead that stays small however many there are. `absorb` is commutative and
idempotent over a set of events, so the digest does not depend on their order. It only grows: when a correction takes an
event away, the digest is made anew from the remaining events.
"""

from bisect import insort
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from services.metrics.contributions.facts import Amount, Dimensions, Fact
from services.metrics.contributions.opportunity import Step, opportunity_facts
from services.metrics.contributions.rules import Attributes, Rules
from shared.events import (
    Appointment,
    Call,
    Correction,
    Data,
    Event,
    HandoffCreated,
    LeadCreated,
    LeadFields,
    Observation,
    Opportunity,
    Touch,
)

Order = tuple[datetime, str, str]
"""(time, source, id): the order of events."""


class OutboundCall(NamedTuple):
    """What a second call needs to know of a call."""

    order: Order
    rep: str


class Handover(NamedTuple):
    """Who handed the lead over, and when."""

    order: Order
    rep: str


class Told(NamedTuple):
    """Something that an event said, with its place in the order of events."""

    order: Order
    text: str


class LeadState(msgspec.Struct, array_like=True):
    """The digest of one lead's events. `attributes` is what follows from the rest by the rules."""

    attributes: Attributes = Attributes()
    observed_at: datetime | None = None  # earliest observation
    declared_at: datetime | None = None  # earliest submission that made the lead known, with or without fields
    active_at: datetime | None = None  # earliest activity
    origin: Told | None = None  # source of the earliest lead-created
    campaign: Told | None = None  # campaign of the earliest submission that has one
    observations: dict[str, dict[str, Observation]] = {}  # tracked field -> method -> best observation
    calls: list[OutboundCall] = []  # the first two outbound calls
    handovers: list[Handover] = []
    opportunities: dict[str, list[Step]] = {}

    @property
    def created_at(self) -> datetime | None:
        """Earliest observation; without any, when it was declared; a lead known from activities alone: the first."""
        return self.observed_at or self.declared_at or self.active_at

    def absorb(self, event: Event, rules: Rules) -> bool:
        """Take one event in; whether anything of the digest changed."""
        take = _TAKE.get(type(event.data))
        return take is not None and take(self, event, event.data, rules)

    def _call(self, event: Event, call: Call, _rules: Rules) -> bool:
        changed = self._active(event)
        if call.direction == "outbound" and (len(self.calls) < 2 or event.order < self.calls[-1].order):
            insort(self.calls, OutboundCall(event.order, call.rep))
            del self.calls[2:]
            changed = True
        return changed

    def _contact(self, event: Event, _data: Touch | Appointment, _rules: Rules) -> bool:
        return self._active(event)

    def _opportunity(self, event: Event, opportunity: Opportunity, _rules: Rules) -> bool:
        self._active(event)
        insort(self.opportunities.setdefault(opportunity.opportunity_id, []), Step.of(event, opportunity))
        return True

    def _handover(self, event: Event, handoff: HandoffCreated, _rules: Rules) -> bool:
        insort(self.handovers, Handover(event.order, handoff.rep))
        return True

    def _corrected(self, _event: Event, _correction: Correction, _rules: Rules) -> bool:
        raise TypeError("corrections are applied before events are absorbed")

    def _active(self, event: Event) -> bool:
        if self.active_at is not None and self.active_at <= event.time:
            return False
        self.active_at = event.time
        return True

    def _create(self, event: Event, created: LeadCreated, rules: Rules) -> bool:
        if created.via == "fields":
            self.declared_at = min(self.declared_at or event.time, event.time)
        self.origin = _earlier(self.origin, Told(event.order, created.source))
        self._tell_campaign(event, created.campaign, rules)
        return True

    def _observe(self, event: Event, fields: LeadFields, rules: Rules) -> bool:
        self._tell_campaign(event, fields.campaign, rules)
        for observation in fields.observations:
            self.observed_at = min(self.observed_at or observation.observed_at, observation.observed_at)
            if observation.field in rules.tracked:
                best = self.observations.setdefault(observation.field, {})
                held = best.get(observation.method)
                if held is None or _newer(observation, held):
                    best[observation.method] = observation
        self._derive(rules)
        return True

    def _tell_campaign(self, event: Event, campaign: str | None, rules: Rules) -> None:
        if campaign:
            self.campaign = _earlier(self.campaign, Told(event.order, campaign))
            self._derive(rules)

    def _derive(self, rules: Rules) -> None:
        best = [o for by_method in self.observations.values() for o in by_method.values()]
        self.attributes = rules.attributes(best, self.campaign.text if self.campaign else "")


_TAKE: dict[type[Data], Callable[[LeadState, Event, Any, Rules], bool]] = {
    Call: LeadState._call,
    Touch: LeadState._contact,
    Appointment: LeadState._contact,
    Opportunity: LeadState._opportunity,
    LeadCreated: LeadState._create,
    LeadFields: LeadState._observe,
    HandoffCreated: LeadState._handover,
    Correction: LeadState._corrected,
}


def _earlier(held: Told | None, told: Told) -> Told:
    return told if held is None or told < held else held


def _newer(a: Observation, b: Observation) -> bool:
    return (a.observed_at, a.observation_id) > (b.observed_at, b.observation_id)


def lead_facts(state: LeadState, rules: Rules) -> Iterator[tuple[Fact, Amount]]:
    """The facts that follow from the digest: lead, second_call, and those of its opportunities."""
    lead = state.attributes
    base = Dimensions("", segment=lead.segment, campaign=lead.campaign, industry=lead.industry)
    if state.created_at is not None:
        source = state.origin.text if state.origin else ""
        yield Fact(base._replace(name="lead", source=source), *rules.place(state.created_at)), Amount(1)
    if len(state.calls) == 2:
        second = state.calls[1]
        dimensions = base._replace(name="second_call", rep=second.rep, channel="call", source=second.order[1])
        yield Fact(dimensions, *rules.place(second.order[0])), Amount(1)
    for steps in state.opportunities.values():
        yield from opportunity_facts(steps, base, _rep_before(state.handovers), rules)


def _rep_before(handovers: Sequence[Handover]) -> Callable[[datetime], str]:
    def rep_at(moment: datetime) -> str:
        return next((h.rep for h in reversed(handovers) if h.order[0] <= moment), "")

    return rep_at
