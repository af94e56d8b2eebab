"""Facts that one event gives by itself: linear in events, so they need no look at the lead's history."""

from collections.abc import Callable
from typing import Any

from services.metrics.contributions.facts import Amount, Contribution, Dimensions, Fact
from services.metrics.contributions.rules import Attributes, Rules
from shared.events import Call, Data, Event, HandoffCreated, Spend, StageChanged, Touch

Dimensioned = tuple[Dimensions, Amount]
REACTIONS = ("opened", "clicked", "replied", "bounced")
"""Outcomes of touches that tell what the lead did, not that we contacted it."""


def event_facts(event: Event, lead: Attributes, rules: Rules) -> tuple[Contribution, ...]:
    """The facts of one event of a lead with these attributes: one, or none."""
    if type(event.data) is Spend:
        return (Contribution(*_spend(event.data, event.source), (event.identity,)),)
    describe = _BY_TYPE.get(type(event.data))
    if describe is None:
        return ()
    base = Dimensions("", segment=lead.segment, campaign=lead.campaign, industry=lead.industry, source=event.source)
    dimensions, amount = describe(event.data, base)
    day, hour = rules.place(event.time)
    return (Contribution(Fact(dimensions, day, hour), amount, (event.identity,)),)


def is_outbound_action(data: Data) -> bool:
    """Whether we contacted the lead: an outbound call, or an outbound touch that is no mere record of a reaction."""
    if type(data) is Call:
        return data.direction == "outbound"
    return type(data) is Touch and data.direction == "outbound" and data.outcome not in REACTIONS


def _spend(spend: Spend, source: str) -> tuple[Fact, Amount]:
    """Spending has a day and no hour, and belongs to no lead."""
    dimensions = Dimensions(
        "spend",
        category=spend.category,
        campaign=spend.campaign or "",
        currency=spend.amount.currency,
        source=source,
    )
    return Fact(dimensions, spend.spent_on, 0), Amount(1, spend.amount.minor)


def _call(call: Call, base: Dimensions) -> Dimensioned:
    dimensions = base._replace(
        name="activity",
        type="call",
        channel="call",
        direction=call.direction,
        outcome=call.outcome,
        rep=call.rep,
        campaign=base.campaign or call.campaign or "",
    )
    return dimensions, Amount(1, call.duration_s or 0)


def _touch(touch: Touch, base: Dimensions) -> Dimensioned:
    dimensions = base._replace(
        name="activity",
        type="touch",
        channel=touch.channel,
        direction=touch.direction,
        outcome=touch.outcome or "",
        rep=touch.rep or "",
        campaign=base.campaign or touch.campaign or "",
    )
    return dimensions, Amount(1, touch.duration_s or 0)


def _handoff(handoff: HandoffCreated, base: Dimensions) -> Dimensioned:
    return base._replace(name="handoff", rep=handoff.rep, owner=handoff.owner), Amount(1)


def _stage(change: StageChanged, base: Dimensions) -> Dimensioned:
    return base._replace(name="stage_entry", stage=change.to), Amount(1)


_BY_TYPE: dict[type[Data], Callable[[Any, Dimensions], Dimensioned]] = {
    Call: _call,
    Touch: _touch,
    HandoffCreated: _handoff,
    StageChanged: _stage,
}
