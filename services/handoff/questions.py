"""What to ask a lead next, and why: what the policy, the segment, the next stage and the rank still need. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

import msgspec

from services.handoff.stages import Ladder
from shared.conditions import evaluate, is_too_old, leaves
from shared.events import Observation, PolicyVersion
from shared.fields import Field, FieldRegistry, is_known
from shared.policy import Policy, required
from shared.view import LeadView
from shared.words import Words

Why = Literal["criterion", "segment", "stage", "rank"]


class Reason(msgspec.Struct, frozen=True):
    """What an answer would settle: a criterion of the policy, the lead's segment, its next stage, or its rank."""

    why: Why
    id: str
    label: Words


class Question(msgspec.Struct, frozen=True):
    """A field to ask for, how to, and why; the most urgent reason stands first. `said`: what is believed of it now."""

    field: str
    label: Words
    ask: Words
    reasons: list[Reason]
    said: Observation | None


class Questions(msgspec.Struct, frozen=True):
    """What to ask a lead next, the most urgent first."""

    lead_id: str
    stage: str
    segment: str
    policy: PolicyVersion
    items: list[Question]


class Guide(NamedTuple):
    """What the questions go by beside the policy. `rank_fields` as in kpis.yaml."""

    ladder: Ladder
    stage_labels: Mapping[str, Words]
    rank_fields: Sequence[str]


TELLS_SEGMENT = Words(ja="どのセグメントのリードかが決まる", en="It tells the segment of the lead")
RAISES_RANK = Words(ja="リードの理解度（ランク）が上がる", en="It raises the rank: how well the lead is known")


def questions(
    policy: Policy,
    guide: Guide,
    registry: FieldRegistry,
    values: Mapping[str, Observation],
    stage: str,
    segment: str,
    now: datetime,
) -> list[Question]:
    """The questions that a rep can put, in order of urgency: criteria, segment, next stage, rank.

    values: the believed observation of each field. A field that is denied is known; one that is assumed is not.
    now: as of when; what a criterion takes for too old is asked again.
    """
    view = LeadView(registry, values, now=now)
    reasons: dict[str, list[Reason]] = {}
    stale = _too_old(policy, values, now)
    for field, reason in (
        *_of_criteria(policy, segment, view),
        *_of_segment(policy, view),
        *_of_next_stage(guide, stage, registry, view),
        *((field, Reason("rank", "rank", RAISES_RANK)) for field in guide.rank_fields),
    ):
        said = None if reason.why == "criterion" and field in stale else values.get(field)
        if field in registry and _can_be_asked(registry.get(field), said):
            found = reasons.setdefault(field, [])
            found += [reason] if reason not in found else []
    return [_question(registry.get(field), found, values.get(field)) for field, found in reasons.items()]


def _too_old(policy: Policy, values: Mapping[str, Observation], now: datetime) -> set[str]:
    """The fields of which a criterion takes what was said for too old."""
    return {
        leaf.field
        for criterion in policy.criteria.values()
        for leaf in leaves(criterion)
        if leaf.field is not None and leaf.field in values and is_too_old(leaf, values[leaf.field], now)
    }


def _of_criteria(policy: Policy, segment: str, view: LeadView) -> Iterator[tuple[str, Reason]]:
    for name in required(policy, segment):
        criterion = policy.criteria[name]
        for field in evaluate(criterion, view).open:
            yield field, Reason("criterion", name, criterion.label)


def _of_segment(policy: Policy, view: LeadView) -> Iterator[tuple[str, Reason]]:
    """Up to the first segment that is met, whatever its `when` leaves open."""
    reason = Reason("segment", "segment", TELLS_SEGMENT)
    for segment in policy.segments:
        evaluation = evaluate(segment.when, view)
        if evaluation.truth:
            return
        for field in evaluation.open:
            yield field, reason
    for field in policy.unknown_segment.ask:
        yield field, reason


def _of_next_stage(guide: Guide, stage: str, registry: FieldRegistry, view: LeadView) -> Iterator[tuple[str, Reason]]:
    """The first further stage that an answer could bring nearer; also one that only wants a field to be known."""
    for rule in guide.ladder.beyond(stage):
        evaluation = evaluate(rule.enter_when, view)
        named = [f for f in evaluation.fields if f in registry and _can_be_asked(registry.get(f), view.observation(f))]
        if named and not evaluation.truth:
            for field in named:
                yield field, Reason("stage", rule.stage, guide.stage_labels[rule.stage])
            return


def _can_be_asked(field: Field, said: Observation | None) -> bool:
    """Whether a rep may supply the field and it is not known yet."""
    return "hearing" in field.precedence and not is_known(field, said)


def _question(field: Field, reasons: list[Reason], said: Observation | None) -> Question:
    return Question(field.id, field.label, field.ask or field.label, reasons, said)
