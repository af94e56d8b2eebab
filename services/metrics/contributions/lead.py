"""The digest of all events of one unit: a lead, or a company with its contracts.

`LeadState` stays small however many events there are. `absorb` is commutative and idempotent over a set of events, so
the digest does not depend on their order. It only grows: when a correction takes an event away, the digest is made anew
from the remaining events.
"""

from bisect import insort
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from services.metrics.contributions.appointment import Setting
from services.metrics.contributions.contract import Term
from services.metrics.contributions.linear import is_outbound_action
from services.metrics.contributions.opportunity import Step
from services.metrics.contributions.order import Order, Told, earlier
from services.metrics.contributions.rules import Attributes, Rules
from shared.events import (
    Appointment,
    Call,
    Contract,
    Correction,
    Data,
    Event,
    HandoffAccepted,
    HandoffCreated,
    HandoffReturned,
    LeadCreated,
    LeadFields,
    Observation,
    Opportunity,
    Touch,
)
from shared.fields import believed


class Action(NamedTuple):
    """An outbound call or touch, as far as later facts need to know it."""

    order: Order
    rep: str
    channel: str


class Handover(NamedTuple):
    """Who handed the lead over, and when."""

    order: Order
    rep: str
    handoff_id: str


class Decided(NamedTuple):
    """What sales decided about a handoff."""

    order: Order
    handoff_id: str
    outcome: str
    sales_rep: str


Past = list[tuple[datetime, Attributes]]
"""Since when what was known of a lead, in order of time."""


class Glance(msgspec.Struct, array_like=True, frozen=True):
    """What of a digest is enough for most calls: what is believed, and the moment after which a call tells nothing new
    of the unit (None: any may)."""

    attributes: Attributes
    settled_at: datetime | None

    def suffices(self, events: Iterable[Event]) -> bool:
        """Whether none of the events can change the digest."""
        settled = self.settled_at
        if settled is None:
            return False
        for event in events:  # noqa: SIM110 - a loop: it is gone through for every event, and mostly once
            if type(event.data) is not Call or event.time <= settled:
                return False
        return True


class LeadState(msgspec.Struct, array_like=True):
    """The digest. `attributes` is what follows from the rest by the rules; so is `past`, kept where they want it."""

    attributes: Attributes = Attributes()
    observed_at: datetime | None = None  # earliest observation
    declared_at: datetime | None = None  # earliest submission that made the lead known, with or without fields
    active_at: datetime | None = None  # earliest activity
    origin: Told | None = None  # source of the earliest lead-created
    campaign: Told | None = None  # campaign of the earliest submission that has one
    observations: dict[str, dict[str, Observation]] = {}  # tracked field -> method -> best observation
    calls: list[Action] = []  # the first two outbound calls
    actions: list[Action] = []  # the first two outbound calls or touches
    response: Action | None = None  # the first outbound call or touch at or after creation
    handovers: list[Handover] = []
    decisions: list[Decided] = []
    appointments: dict[str, list[Setting]] = {}
    opportunities: dict[str, list[Step]] = {}
    contracts: dict[str, list[Term]] = {}
    past: Past = []

    @property
    def created_at(self) -> datetime | None:
        """Earliest observation; without any, when it was declared; a lead known from activities alone: the first."""
        return self.observed_at or self.declared_at or self.active_at

    @property
    def settled_at(self) -> datetime | None:
        """The moment after which a call is later than everything that is remembered; None while any may be."""
        if len(self.calls) < 2 or self.response is None:
            return None
        return max(self.calls[1].order[0], self.response.order[0])

    def glance(self) -> Glance:
        """What of it is enough for most calls."""
        return Glance(self.attributes, self.settled_at)

    def attributes_at(self, moment: datetime) -> Attributes:
        """What was known at a moment."""
        return next((known for since, known in reversed(self.past) if since <= moment), Attributes())

    def absorb(self, event: Event, rules: Rules) -> bool:
        """Take one event in, all but `response`; whether anything of the digest changed."""
        take = _TAKE.get(type(event.data))
        return take is not None and take(self, event, event.data, rules)

    def respond(self, new: Iterable[Event], created_before: datetime | None, *, complete: bool) -> bool:
        """Bring `response` up to date with events just absorbed; False when only the whole history can tell it.

        created_before: `created_at` before they were. complete: `new` are all events that there are.
        """
        created = self.created_at
        if created is None:
            self.response = None
            return True
        held = None if complete or not self.response or self.response.order[0] < created else self.response
        candidates = [
            action
            for event in new
            if event.time >= created and not (held and event.time > held.order[0]) and (action := _action(event))
        ]
        if not complete:
            if held:
                candidates.append(held)
            first = next((action for action in self.actions if action.order[0] >= created), None)
            if first:
                candidates.append(first)
            elif created_before is not None and created < created_before and len(self.actions) == 2:
                return False  # an action between both creations may be neither of the first two
            elif created_before is not None and created > created_before and self.response not in candidates:
                return False
        self.response = min(candidates, default=None)
        return True

    def _call(self, event: Event, _call: Call, _rules: Rules) -> bool:
        settled = self.settled_at
        if settled is not None and event.time > settled:
            return False  # one of many
        action = _action(event)
        changed = self._keep(event, action)
        return (_keep_two(self.calls, action) if action else False) or changed

    def _act(self, event: Event, _data: Data | None = None, _rules: Rules | None = None) -> bool:
        return self._keep(event, _action(event))

    def _keep(self, event: Event, action: Action | None) -> bool:
        changed = self.active_at is None or event.time < self.active_at
        if changed:
            self.active_at = event.time
        if action is None:
            return changed
        early = _keep_two(self.actions, action)
        created = self.created_at
        answers = created is not None and action.order[0] >= created and (not self.response or action < self.response)
        return early or changed or answers

    def _appointment(self, event: Event, appointment: Appointment, _rules: Rules) -> bool:
        self._act(event)
        insort(self.appointments.setdefault(appointment.appointment_id, []), Setting.of(event, appointment))
        return True

    def _opportunity(self, event: Event, opportunity: Opportunity, _rules: Rules) -> bool:
        self._act(event)
        insort(self.opportunities.setdefault(opportunity.opportunity_id, []), Step.of(event, opportunity))
        return True

    def _handover(self, event: Event, handoff: HandoffCreated, _rules: Rules) -> bool:
        insort(self.handovers, Handover(event.order, handoff.rep, handoff.handoff_id))
        return True

    def _decide(self, event: Event, decision: HandoffAccepted | HandoffReturned, _rules: Rules) -> bool:
        outcome = "accepted" if isinstance(decision, HandoffAccepted) else "returned"
        insort(self.decisions, Decided(event.order, decision.handoff_id, outcome, decision.sales_rep))
        return True

    def _contract(self, event: Event, contract: Contract, _rules: Rules) -> bool:
        insort(self.contracts.setdefault(contract.contract_id, []), Term.of(event, contract))
        return True

    def _corrected(self, _event: Event, _correction: Correction, _rules: Rules) -> bool:
        raise TypeError("corrections are applied before events are absorbed")

    def _create(self, event: Event, created: LeadCreated, rules: Rules) -> bool:
        if created.via == "fields":
            self.declared_at = min(self.declared_at or event.time, event.time)
        self.origin = earlier(self.origin, Told(event.order, created.source))
        self._tell_campaign(event, created.campaign, rules)
        return True

    def _observe(self, event: Event, fields: LeadFields, rules: Rules) -> bool:
        self._tell_campaign(event, fields.campaign, rules)
        for observation in fields.observations:
            self.observed_at = min(self.observed_at or observation.observed_at, observation.observed_at)
            if rules.tracks(observation):
                best = self.observations.setdefault(observation.field, {})
                held = best.get(observation.method)
                if held is None or _newer(observation, held):
                    best[observation.method] = rules.reduced(observation)
        self._derive(rules)
        return True

    def _tell_campaign(self, event: Event, campaign: str | None, rules: Rules) -> None:
        if campaign:
            self.campaign = earlier(self.campaign, Told(event.order, campaign))
            self._derive(rules)

    def _derive(self, rules: Rules) -> None:
        self.attributes = rules.attributes(self.best(), self.campaign.text if self.campaign else "")

    def prefer(self, own: "LeadState", rules: Rules) -> None:
        """Believe what was said of the lead itself over what was said of leads that were merged into it.

        Only what is believable hides the others': a method that may not supply a field says nothing of it.
        """
        believable = believed(rules.registry, own.best())
        self.observations = self.observations | {field: own.observations[field] for field in believable}
        self._derive(rules)

    def best(self) -> list[Observation]:
        """The best observation of each tracked field by each method."""
        return [o for by_method in self.observations.values() for o in by_method.values()]


def share(states: Mapping[str, LeadState]) -> None:
    """Give what several units tell of (an opportunity, an appointment, a contract) with all its steps to the unit told
    of last."""
    if len(states) > 1:
        _give({unit: state.opportunities for unit, state in states.items()})
        _give({unit: state.appointments for unit, state in states.items()})
        _give({unit: state.contracts for unit, state in states.items()})


def _give(held: Mapping[str, dict[str, list[Any]]]) -> None:
    shared = Counter(identity for of_unit in held.values() for identity in of_unit)
    for identity in [identity for identity, units in shared.items() if units > 1]:
        steps = {unit: of_unit.pop(identity) for unit, of_unit in held.items() if identity in of_unit}
        last = max(steps, key=lambda unit: max(step.order for step in steps[unit]))
        held[last][identity] = sorted(step for told in steps.values() for step in told)


_TAKE: dict[type[Data], Callable[[LeadState, Event, Any, Rules], bool]] = {
    Call: LeadState._call,
    Touch: LeadState._act,
    Appointment: LeadState._appointment,
    Opportunity: LeadState._opportunity,
    Contract: LeadState._contract,
    LeadCreated: LeadState._create,
    LeadFields: LeadState._observe,
    HandoffCreated: LeadState._handover,
    HandoffAccepted: LeadState._decide,
    HandoffReturned: LeadState._decide,
    Correction: LeadState._corrected,
}


def _action(event: Event) -> Action | None:
    data = event.data
    if not is_outbound_action(data):
        return None
    return Action(event.order, getattr(data, "rep", None) or "", getattr(data, "channel", "call"))


def _keep_two(first: list[Action], action: Action) -> bool:
    """Keep the two earliest; whether this one is among them."""
    if len(first) == 2 and action > first[1]:
        return False
    insort(first, action)
    del first[2:]
    return True


def _newer(a: Observation, b: Observation) -> bool:
    return (a.observed_at, a.observation_id) > (b.observed_at, b.observation_id)
