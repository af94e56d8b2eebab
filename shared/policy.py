"""A policy: which segment a lead is in, whether it is ready for sales, and what is still to be asked. Pure.

The same values and the same version of a policy always give the same decision.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from shared.condition_check import Mistake, check_condition
from shared.conditions import Condition, Evaluation, Truth, View, evaluate, fields_in
from shared.events import Observation
from shared.fields import Field, FieldRegistry, is_known
from shared.words import Words

UNKNOWN = "unknown"
"""The segment of a lead of which it cannot be told."""

MEMBER_MAX = 200
"""Characters of a member's id at most, as in team.yaml and in events."""

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


RouteMembers = Annotated[list[str], msgspec.Meta(min_length=1)]
RouteMethod = Literal["round_robin", "least_open"]


class RouteRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who gets those leads of a segment that meet a condition."""

    when: Condition
    members: RouteMembers
    method: RouteMethod


class Route(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Who in sales gets a segment's leads: in turn, or whoever has the fewest open.

    The first rule that a lead meets decides instead; one of which it cannot be told is passed over. Rules that are not
    there are not written either, so that a release that knows none can read the policy.
    """

    members: RouteMembers
    method: RouteMethod
    rules: list[RouteRule] = []

    @property
    def everybody(self) -> list[str]:
        """All members, those of rules too."""
        return list(dict.fromkeys([*self.members, *(member for rule in self.rules for member in rule.members)]))


class AcceptWithin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long sales may take to decide: hours of business days (`business`) or of any day and hour (`any`).

    `remind_hours_before`: that many such hours before the end, webhooks tell that nobody has decided yet.
    """

    hours: Annotated[int, msgspec.Meta(gt=0, le=10_000)] | Annotated[float, msgspec.Meta(gt=0, le=10_000)]
    calendar: Literal["business", "any"] = "business"
    remind_hours_before: Annotated[int, msgspec.Meta(gt=0)] | Annotated[float, msgspec.Meta(gt=0)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.remind_hours_before is not UNSET and self.remind_hours_before >= self.hours:
            raise ValueError("`remind_hours_before` must be less than `hours`")


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a lead may be handed to sales.

    A version decides from the day `valid_from` to the day `valid_until` (both included, of the business time zone; no
    limit where they are null), unless it is a `draft`, which decides nothing.
    """

    id: Id
    criteria: dict[str, Criterion]
    segments: list[Segment]
    unknown_segment: UnknownSegment
    routing: dict[str, Route]
    accept_within: AcceptWithin
    automatic: bool = False
    draft: bool = False
    valid_from: date | None = None
    valid_until: date | None = None

    def __post_init__(self) -> None:
        if self.valid_from is not None and self.valid_until is not None and self.valid_until < self.valid_from:
            raise ValueError("`valid_until` lies before `valid_from`")


class CriterionResult(msgspec.Struct, frozen=True):
    """How one criterion turned out. `evidence` holds the believed observations that it looked at, `contradicting` what
    others said by which it would have turned out otherwise."""

    id: str
    label: Words
    result: Outcome
    evidence: list[Observation]
    contradicting: list[Observation] = []


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


class Judgement(NamedTuple):
    """The segment of a lead, and how each criterion that it has to meet turned out."""

    segment: str
    evaluated: dict[str, Evaluation]

    @property
    def verdict(self) -> Verdict:
        """Any criterion unmet: not ready; else any unknown: needs information; else ready."""
        truths = [evaluation.truth for evaluation in self.evaluated.values()]
        return "not_ready" if False in truths else "needs_information" if None in truths else "ready"


def judge(policy: Policy, view: View) -> Judgement:
    """What the policy says about a lead, without the reasons."""
    segment = segment_of(policy, view)
    return Judgement(segment, {name: evaluate(policy.criteria[name], view) for name in required(policy, segment)})


def required(policy: Policy, segment: str) -> list[str]:
    """The criteria that leads of a segment have to meet."""
    return next((s.require for s in policy.segments if s.id == segment), policy.unknown_segment.require)


def decide(policy: Policy, view: View, others: Mapping[str, Sequence[Observation]] | None = None) -> Decision:
    """What the policy says about a lead, with the evidence of each criterion and what is still to be asked.

    others: what each source said last of each field (`fields.voices`); it decides nothing.
    """
    judgement = judge(policy, view)
    ask = policy.unknown_segment.ask if judgement.segment == UNKNOWN else []
    wanted = [field for field in ask if not _known(view, field)]
    wanted += [field for evaluation in judgement.evaluated.values() for field in evaluation.open]
    return Decision(
        segment=judgement.segment,
        decision=judgement.verdict,
        criteria=[
            _result(name, policy.criteria[name], outcome, view, others or {})
            for name, outcome in judgement.evaluated.items()
        ],
        missing=[_missing(view, field) for field in dict.fromkeys(wanted)],
    )


def fields_of(policy: Policy) -> frozenset[str]:
    """Every field that decides anything in the policy."""
    routed_by = [rule.when for route in policy.routing.values() for rule in route.rules]
    conditions = [*policy.criteria.values(), *(segment.when for segment in policy.segments), *routed_by]
    return frozenset().union(*map(fields_in, conditions))


def _result(
    name: str, criterion: Criterion, evaluation: Evaluation, view: View, others: Mapping[str, Sequence[Observation]]
) -> CriterionResult:
    seen = (view.observation(field) for field in evaluation.fields)
    return CriterionResult(
        id=name,
        label=criterion.label,
        result=outcome(evaluation.truth),
        evidence=[observation for observation in seen if observation is not None],
        contradicting=[
            said
            for field in evaluation.fields
            for said in others.get(field, ())
            if evaluate(criterion, _Instead(view, said)).truth not in (evaluation.truth, None)
        ],
    )


class _Instead:
    """A view in which something else is believed of one field."""

    def __init__(self, view: View, said: Observation) -> None:
        self._view = view
        self._said = said

    @property
    def now(self) -> datetime:
        return self._view.now

    def field(self, field_id: str) -> Field | None:
        return self._view.field(field_id)

    def observation(self, field_id: str) -> Observation | None:
        return self._said if field_id == self._said.field else self._view.observation(field_id)

    def count(self, condition: Condition) -> int:
        return self._view.count(condition)


def outcome(truth: Truth) -> Outcome:
    """A truth in the word that answers use."""
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
        yield from check_condition(criterion, registry, events=False, ages=True, at=("criteria", name))
    ids: dict[str, None] = {}
    for index, segment in enumerate(policy.segments):
        if segment.id == UNKNOWN or segment.id in ids:
            yield Mistake(("segments", index, "id"), f"`{segment.id}` is taken; give the segment an id of its own")
        ids[segment.id] = None
        yield from check_condition(segment.when, registry, events=False, at=("segments", index, "when"))
        yield from _check_required(policy, segment.require, ("segments", index, "require"))
    yield from _check_required(policy, policy.unknown_segment.require, ("unknown_segment", "require"))
    for index, field in enumerate(policy.unknown_segment.ask):
        if field not in registry:
            yield Mistake(("unknown_segment", "ask", index), f"there is no field `{field}`; add it to fields.yaml")
    for name, route in policy.routing.items():
        if name not in ids and name != UNKNOWN:
            yield Mistake(("routing", name), f"there is no segment `{name}`; route {', '.join(ids)} or {UNKNOWN}")
        yield from _check_members(route.members, ("routing", name, "members"))
        for index, rule in enumerate(route.rules):
            at = ("routing", name, "rules", index)
            yield from check_condition(rule.when, registry, events=False, at=(*at, "when"))
            yield from _check_members(rule.members, (*at, "members"))


def _check_members(members: Sequence[str], at: tuple[str | int, ...]) -> Iterator[Mistake]:
    """What no event can name as an owner: every handoff to such a member would fail. Stored versions are read as they
    are, so this is no part of their type."""
    for index, member in enumerate(members):
        if not 1 <= len(member) <= MEMBER_MAX:
            yield Mistake((*at, index), f"a member's id has 1 to {MEMBER_MAX} characters, as in team.yaml")


def _check_required(policy: Policy, required: list[str], at: tuple[str | int, ...]) -> Iterator[Mistake]:
    for index, name in enumerate(required):
        if name not in policy.criteria:
            yield Mistake((*at, index), f"there is no criterion `{name}`; define it under `criteria`")
