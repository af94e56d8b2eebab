"""A policy: which segment a lead is in, whether it is ready for sales, and what is still to be asked. Pure.

The same values and the same version of a policy always give the same decision.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from shared.condition_check import Mistake, check_condition
from shared.conditions import Condition, Evaluation, Truth, View, evaluate
from shared.events import Observation
from shared.fields import FieldRegistry, is_known
from shared.words import Words

UNKNOWN = "unknown"
"""The segment of a lead of which it cannot be told."""

Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$")]
Verdict = Literal["ready", "not_ready", "needs_information"]
Outcome = Literal["met", "unmet", "unknown"]


class Criterion(Condition, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A condition with a label."""

    label: Words


class Segment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group of leads and the criteria that they have to meet."""

    id: Id
    label: Words
    when: Condition
    require: list[str]


class UnknownSegment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a lead of unknown segment has to meet, and which fields would tell the segment."""

    require: list[str]
    ask: list[str] = []


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who in sales gets a segment's leads: in turn, or whoever has the fewest open."""

    members: Annotated[list[str], msgspec.Meta(min_length=1)]
    method: Literal["round_robin", "least_open"]


class AcceptWithin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long sales may take to decide: hours of business days (`business`) or of any day and hour (`any`)."""

    hours: Annotated[int, msgspec.Meta(gt=0, le=10_000)] | Annotated[float, msgspec.Meta(gt=0, le=10_000)]
    calendar: Literal["business", "any"] = "business"


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a lead may be handed to sales."""

    id: Id
    criteria: dict[str, Criterion]
    segments: list[Segment]
    unknown_segment: UnknownSegment
    routing: dict[str, Route]
    accept_within: AcceptWithin
    automatic: bool = False


class CriterionResult(msgspec.Struct, frozen=True):
    """How one criterion turned out. `evidence` holds the believed observations that it looked at."""

    id: str
    label: Words
    result: Outcome
    evidence: list[Observation]


class Missing(msgspec.Struct, frozen=True):
    """A field whose value would settle what is unknown, and how to ask for it."""

    field: str
    ask: Words | None


class Decision(msgspec.Struct, frozen=True):
    """What a policy says about a lead."""

    segment: str
    decision: Verdict
    criteria: list[CriterionResult]
    missing: list[Missing]


def segment_of(policy: Policy, view: View) -> str:
    """The id of the first segment whose `when` is met.

    `unknown` when a `when` cannot be told before one is met, and when none is met.
    """
    for segment in policy.segments:
        truth = evaluate(segment.when, view).truth
        if truth is None:
            return UNKNOWN
        if truth:
            return segment.id
    return UNKNOWN


def decide(policy: Policy, view: View) -> Decision:
    """Any criterion unmet: not ready; else any unknown: needs information; else ready."""
    segment = segment_of(policy, view)
    if segment == UNKNOWN:
        required, ask = policy.unknown_segment.require, policy.unknown_segment.ask
    else:
        required, ask = next(s.require for s in policy.segments if s.id == segment), []
    evaluated = {name: evaluate(policy.criteria[name], view) for name in required}
    truths = [evaluation.truth for evaluation in evaluated.values()]
    wanted = [field for field in ask if not _known(view, field)]
    wanted += [field for evaluation in evaluated.values() for field in evaluation.open]
    return Decision(
        segment=segment,
        decision="not_ready" if False in truths else "needs_information" if None in truths else "ready",
        criteria=[_result(name, policy.criteria[name], outcome, view) for name, outcome in evaluated.items()],
        missing=[_missing(view, field) for field in dict.fromkeys(wanted)],
    )


def _result(name: str, criterion: Criterion, evaluation: Evaluation, view: View) -> CriterionResult:
    seen = (view.observation(field) for field in evaluation.fields)
    return CriterionResult(
        id=name,
        label=criterion.label,
        result=_outcome(evaluation.truth),
        evidence=[observation for observation in seen if observation is not None],
    )


def _outcome(truth: Truth) -> Outcome:
    return "unknown" if truth is None else "met" if truth else "unmet"


def _known(view: View, field_id: str) -> bool:
    field = view.field(field_id)
    return field is not None and is_known(field, view.observation(field_id))


def _missing(view: View, field_id: str) -> Missing:
    field = view.field(field_id)
    return Missing(field=field_id, ask=(field.ask or field.label) if field else None)


def check_policy(policy: Policy, registry: FieldRegistry) -> Iterator[Mistake]:
    """Every mistake that the policy's shape alone does not show."""
    for name, criterion in policy.criteria.items():
        yield from check_condition(criterion, registry, events=False, at=("criteria", name))
    ids = [segment.id for segment in policy.segments]
    for index, segment in enumerate(policy.segments):
        if segment.id == UNKNOWN or segment.id in ids[:index]:
            yield Mistake(("segments", index, "id"), f"`{segment.id}` is taken; give the segment an id of its own")
        yield from check_condition(segment.when, registry, events=False, at=("segments", index, "when"))
        yield from _check_required(policy, segment.require, ("segments", index, "require"))
    yield from _check_required(policy, policy.unknown_segment.require, ("unknown_segment", "require"))
    for index, field in enumerate(policy.unknown_segment.ask):
        if field not in registry:
            yield Mistake(("unknown_segment", "ask", index), f"there is no field `{field}`; add it to fields.yaml")
    for name in policy.routing:
        if name not in (*ids, UNKNOWN):
            yield Mistake(("routing", name), f"there is no segment `{name}`; route {', '.join(ids)} or {UNKNOWN}")


def _check_required(policy: Policy, required: list[str], at: tuple[str | int, ...]) -> Iterator[Mistake]:
    for index, name in enumerate(required):
        if name not in policy.criteria:
            yield Mistake((*at, index), f"there is no criterion `{name}`; define it under `criteria`")
