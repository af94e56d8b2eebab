"""Facts that one event gives by itself: linear in events, so they need no look at the lead's history."""

from collections.abc import Iterator

from services.metrics.contributions.facts import Amount, Dimensions, Fact
from services.metrics.contributions.rules import Attributes, Rules
from shared.events import Call, Event, HandoffCreated, StageChanged, Touch


def event_facts(event: Event, lead: Attributes, rules: Rules) -> Iterator[tuple[Fact, Amount]]:
    """The facts of one event of a lead with these attributes."""
    match event.data:
        case Call() as call:
            yield _fact(
                event, rules, lead, lead.campaign or call.campaign or "", "activity",
                Amount(1, call.duration_s or 0),
                type="call", direction=call.direction, outcome=call.outcome, rep=call.rep, channel="call",
            )  # fmt: skip
        case Touch() as touch:
            yield _fact(
                event, rules, lead, lead.campaign or touch.campaign or "", "activity",
                Amount(1, touch.duration_s or 0),
                type="touch", direction=touch.direction, outcome=touch.outcome or "", rep=touch.rep or "",
                channel=touch.channel,
            )  # fmt: skip
        case HandoffCreated() as handoff:
            yield _fact(
                event, rules, lead, lead.campaign, "handoff", Amount(1), rep=handoff.rep, owner=handoff.owner,
            )  # fmt: skip
        case StageChanged() as change:
            yield _fact(event, rules, lead, lead.campaign, "stage_entry", Amount(1), stage=change.to)
        case _:
            return


def _fact(
    event: Event, rules: Rules, lead: Attributes, campaign: str, name: str, amount: Amount, **own: str
) -> tuple[Fact, Amount]:
    day, hour = rules.place(event.time)
    dimensions = Dimensions(
        name, segment=lead.segment, campaign=campaign, industry=lead.industry, source=event.source, **own
    )
    return Fact(dimensions, day, hour), amount
