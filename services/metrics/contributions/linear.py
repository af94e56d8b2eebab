"""Facts that one event gives by itself: linear in events, so they need no look at the lead's history."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from services.metrics.contributions.facts import Amount, Contribution, Dimensions, Fact
from services.metrics.contributions.rules import Attributes, Rules
from shared.events import Call, ContentUsed, Data, Event, HandoffCreated, Spend, StageChanged, Touch

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
    dimensions, amount = describe(event.data, lead, event.source)
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


def _call(call: Call, lead: Attributes, source: str) -> Dimensioned:
    campaign = lead.campaign or call.campaign or ""
    activity = _activity("call", "call", call.direction, call.outcome, call.rep, campaign, lead, source)
    return activity, Amount(1, call.duration_s or 0)


def _touch(touch: Touch, lead: Attributes, source: str) -> Dimensioned:
    outcome, rep, campaign = touch.outcome or "", touch.rep or "", lead.campaign or touch.campaign or ""
    activity = _activity("touch", touch.channel, touch.direction, outcome, rep, campaign, lead, source)
    return activity, Amount(1, touch.duration_s or 0)


@lru_cache(maxsize=50_000)  # few are many events' dimensions, and to make them costs more than to count by them
def _activity(
    type_: str, channel: str, direction: str, outcome: str, rep: str, campaign: str, lead: Attributes, source: str
) -> Dimensions:
    return Dimensions(
        "activity",
        type=type_,
        channel=channel,
        direction=direction,
        outcome=outcome,
        rep=rep,
        segment=lead.segment,
        campaign=campaign,
        industry=lead.industry,
        source=source,
    )


def _content(use: ContentUsed, lead: Attributes, source: str) -> Dimensioned:
    base = _of("content_use", lead, source)
    return base._replace(type=use.kind, rep=use.rep, channel=use.channel or ""), Amount(1)


def _handoff(handoff: HandoffCreated, lead: Attributes, source: str) -> Dimensioned:
    return _of("handoff", lead, source)._replace(rep=handoff.rep, owner=handoff.owner), Amount(1)


def _stage(change: StageChanged, lead: Attributes, source: str) -> Dimensioned:
    return _of("stage_entry", lead, source)._replace(stage=change.to), Amount(1)


def _of(name: str, lead: Attributes, source: str) -> Dimensions:
    return Dimensions(name, segment=lead.segment, campaign=lead.campaign, industry=lead.industry, source=source)


_BY_TYPE: dict[type[Data], Callable[[Any, Attributes, str], Dimensioned]] = {
    Call: _call,
    Touch: _touch,
    ContentUsed: _content,
    HandoffCreated: _handoff,
    StageChanged: _stage,
}
