"""The facts that follow from a unit's digest: what only its events together tell. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from operator import attrgetter

from services.metrics.contributions.appointment import appointment_facts
from services.metrics.contributions.contract import contract_facts
from services.metrics.contributions.facts import Amount, Contribution, Fact, of_lead
from services.metrics.contributions.lead import Handover, LeadState
from services.metrics.contributions.opportunity import first_created, holding_close, opportunity_facts
from services.metrics.contributions.order import Order
from services.metrics.contributions.rules import KnownAt, Rules

Facts = Iterator[Contribution]
Part = Callable[[LeadState, KnownAt, Rules], Facts]
"""Tells some of a digest's facts."""
MICROSECOND = timedelta(microseconds=1)


def digest_facts(state: LeadState, known: KnownAt, rules: Rules, parts: Sequence[Part] | None = None) -> Facts:
    """All of them, or those of some parts. `known`: what is known of the lead."""
    for part in _RESTS_ON if parts is None else parts:
        yield from part(state, known, rules)


def parts_that_differ(one: LeadState, other: LeadState) -> Sequence[Part]:
    """The parts that may tell other facts of two digests of which the same is known."""
    return [part for part, rests_on in _RESTS_ON.items() if rests_on(one) != rests_on(other)]


def _creation(state: LeadState, known: KnownAt, rules: Rules) -> Facts:
    """`lead` (outcome: what became of it, ever), and `first_response` (value: how long it took)."""
    created = state.created_at
    if created is None:
        return
    place = rules.place(created)
    source = state.origin.text if state.origin else ""
    lead, said = known(created), (state.origin,) if state.origin else ()
    dimensions = of_lead("lead", lead, source, "", "", _became(state))
    yield Contribution(Fact(dimensions, *place), Amount(1), said)
    if state.response:
        (moment, _, _), rep, channel = state.response
        took = (moment - created) // MICROSECOND
        dimensions = of_lead("first_response", lead, source, rep, channel)
        yield Contribution(Fact(dimensions, *place, took), Amount(1), (state.response,))


def _became(state: LeadState) -> str:
    if not state.opportunities:
        return ""
    opportunity = any(first_created(steps) for steps in state.opportunities.values())
    deal = any((close := holding_close(steps)) and close.status == "won" for steps in state.opportunities.values())
    return "+".join(word for word, true in (("opportunity", opportunity), ("deal", deal)) if true)


def _seconds(state: LeadState, known: KnownAt, rules: Rules) -> Facts:
    """`second_call`, and `second_action` (value: how long after the first)."""
    if len(state.calls) == 2:
        (moment, source, _), rep, channel = state.calls[1]
        dimensions = of_lead("second_call", known(moment), source, rep, channel)
        yield Contribution(Fact(dimensions, *rules.place(moment)), Amount(1), state.calls)
    if len(state.actions) == 2:
        (moment, source, _), rep, channel = state.actions[1]
        took = (moment - state.actions[0].order[0]) // MICROSECOND
        dimensions = of_lead("second_action", known(moment), source, rep, channel)
        yield Contribution(Fact(dimensions, *rules.place(moment), took), Amount(1), state.actions)


def _appointments(state: LeadState, known: KnownAt, rules: Rules) -> Facts:
    for settings in state.appointments.values():
        yield from appointment_facts(settings, known, rules.standing(state.best()), rules)


def _decisions(state: LeadState, known: KnownAt, rules: Rules) -> Facts:
    for decided in state.decisions:
        moment, source, _ = decided.order
        created = [h for h in state.handovers if h.handoff_id == decided.handoff_id]
        rep = created[0].rep if created else ""
        dimensions = of_lead(
            "handoff_decision", known(moment), source, rep, outcome=decided.outcome, owner=decided.sales_rep
        )
        yield Contribution(Fact(dimensions, *rules.place(moment)), Amount(1), (*created, decided))


def _opportunities(state: LeadState, known: KnownAt, rules: Rules) -> Facts:
    for steps in state.opportunities.values():
        yield from opportunity_facts(steps, known, partial(_rep_before, state.handovers), rules)


def _rep_before(handovers: Sequence[Handover], order: Order) -> str:
    """Rep of the latest handoff before a place in the order of events, "" before the first."""
    return next((h.rep for h in reversed(handovers) if h.order < order), "")


def _contracts(state: LeadState, _known: KnownAt, _rules: Rules) -> Facts:
    return contract_facts(state.contracts)


_RESTS_ON: Mapping[Part, Callable[[LeadState], object]] = {
    _creation: attrgetter("observed_at", "declared_at", "active_at", "origin", "response", "opportunities"),
    _seconds: attrgetter("calls", "actions"),
    _appointments: attrgetter("appointments", "observations"),
    _decisions: attrgetter("decisions", "handovers"),
    _opportunities: attrgetter("opportunities", "handovers"),
    _contracts: attrgetter("contracts"),
}
"""What each part is told by, beside what is known of the lead."""
