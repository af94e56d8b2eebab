"""Facts that one event gives by itself: linear in events, so they need no look at the lead's history."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from services.metrics.contributions.facts import Amount, Contribution, Dimensions, Fact, of_lead
from services.metrics.contributions.rules import Attributes, Rules
from shared.events import Call, ContentUsed, Data, Event, HandoffCreated, Spend, StageChanged, Touch

Dimensioned = tuple[Dimensions, Amount]
REACTIONS = ("opened", "clicked", "replied", "bounced")
"""Outcomes of touches that tell what the lead did, not that we contacted it."""


def event_facts(event: Event, lead: Attributes, rules: Rules) -> tuple[Contribution, ...]:
    """The facts of one event of a lead with these attributes: one, or none."""
    if type(event.data) is Spend:
        return (Contribution(*_spend(event.data, event.source), (event,)),)
    describe = _BY_TYPE.get(type(event.data))
    if describe is None:
        return ()
    dimensions, amount = describe(event.data, lead, event.source)
    day, hour = rules.place(event.time)
    return (Contribution(Fact(dimensions, day, hour), amount, (event,)),)


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


def call_fact(event: Event, lead: Attributes, rules: Rules) -> tuple[Fact, Amount]:
    """What `event_facts` says of an event that is a call: there are more of them than of all others."""
    dimensions, amount = _call(event.data, lead, event.source)  # type: ignore[arg-type]
    return Fact(dimensions, *rules.place(event.time)), amount


def _call(call: Call, lead: Attributes, source: str) -> Dimensioned:
    lead = _with_campaign(lead, call.campaign)
    activity = of_lead("activity", lead, source, call.rep, "call", call.outcome, "call", call.direction)
    return activity, _one(call.duration_s or 0)


_one = lru_cache(maxsize=10_000)(partial(Amount, 1))


def _touch(touch: Touch, lead: Attributes, source: str) -> Dimensioned:
    lead, rep, outcome = _with_campaign(lead, touch.campaign), touch.rep or "", touch.outcome or ""
    activity = of_lead("activity", lead, source, rep, touch.channel, outcome, "touch", touch.direction)
    return activity, Amount(1, touch.duration_s or 0)


def _with_campaign(lead: Attributes, campaign: str | None) -> Attributes:
    """The lead's own campaign, or that of the event."""
    return lead._replace(campaign=campaign) if campaign and not lead.campaign else lead


def _content(use: ContentUsed, lead: Attributes, source: str) -> Dimensioned:
    return of_lead("content_use", lead, source, use.rep, use.channel or "", type_=use.kind), Amount(1)


def _handoff(handoff: HandoffCreated, lead: Attributes, source: str) -> Dimensioned:
    return of_lead("handoff", lead, source, handoff.rep, owner=handoff.owner), Amount(1)


def _stage(change: StageChanged, lead: Attributes, source: str) -> Dimensioned:
    return of_lead("stage_entry", lead, source, stage=change.to), Amount(1)


_BY_TYPE: dict[type[Data], Callable[[Any, Attributes, str], Dimensioned]] = {
    Call: _call,
    Touch: _touch,
    ContentUsed: _content,
    HandoffCreated: _handoff,
    StageChanged: _stage,
}
