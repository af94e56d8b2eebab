"""Conditions over a lead's fields and events, as policies and stages write them, in three-valued logic (Kleene).

    {field: employees, between: [1, 2000]}
    {all: [{field: needs, is: confirmed}, {not: {field: industry, in: [行政, 教育]}}]}
    {event: call, outcome: conversation, count: 2}
    {field: needs, is: confirmed, within_days: 90}: what was said longer ago counts as not said

True, False, or None where it cannot be told. `and`/`or` of an unknown part is unknown only where the part matters.
Every part is looked at, also when the answer is already certain: evidence must not depend on the order of the parts.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Annotated, Literal, NamedTuple, Protocol

import msgspec

from shared.events import Event, FieldValue, Observation
from shared.fields import Field, is_known
from shared.money import Money

Truth = bool | None
Scalar = str | int | float | bool | Money
EventName = Literal["call", "touch", "appointment", "opportunity", "contract", "handoff"]
EVENT_FILTERS = ("direction", "outcome", "channel", "status")

_COMPARISONS = {
    "is_": "is",
    "in_": "in",
    "between": "between",
    "at_least": "at_least",
    "at_most": "at_most",
    "contains": "contains",
    "known": "known",
}
_SUBJECTS = {"field": "field", "event": "event", "all_": "all", "any_": "any", "not_": "not"}


class Condition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One condition: of a field, of events, or of other conditions. Decodes from and encodes to the same shape.

    It is one struct, since the shape carries no tag that would tell the kinds apart; `__post_init__` lets through only
    what is exactly one kind. Raises ValueError (a validation error when decoded) that says what is wrong.
    """

    field: str | None = None
    is_: Scalar | None = msgspec.field(name="is", default=None)
    in_: Annotated[list[Scalar], msgspec.Meta(min_length=1)] | None = msgspec.field(name="in", default=None)
    between: tuple[Scalar, Scalar] | None = None
    at_least: Scalar | None = None
    at_most: Scalar | None = None
    contains: Scalar | None = None
    known: bool | None = None
    within_days: Annotated[int, msgspec.Meta(ge=1, le=36_500)] | None = None

    all_: list["Condition"] | None = msgspec.field(name="all", default=None)
    any_: list["Condition"] | None = msgspec.field(name="any", default=None)
    not_: "Condition | None" = msgspec.field(name="not", default=None)

    event: EventName | None = None
    direction: str | None = None
    outcome: str | None = None
    channel: str | None = None
    status: str | None = None
    count: Annotated[int, msgspec.Meta(ge=1)] | None = None

    def __post_init__(self) -> None:
        subjects = self._given(_SUBJECTS)
        if len(subjects) != 1:
            has = f"it has {' and '.join(subjects)}" if subjects else "it has none of them"
            raise ValueError(f"a condition has exactly one of field, event, all, any, not; {has}")
        comparisons = self._given(_COMPARISONS)
        if self.field is not None and len(comparisons) != 1:
            raise ValueError(
                f"the condition on `{self.field}` needs exactly one of {', '.join(_COMPARISONS.values())}; "
                f"it has {', '.join(comparisons) or 'none'}"
            )
        if self.field is None and comparisons:
            raise ValueError(f"`{comparisons[0]}` compares a field: add `field`")
        if self.field is None and self.within_days is not None:
            raise ValueError("`within_days` is the age of a field's value: add `field`")
        filters = [name for name in (*EVENT_FILTERS, "count") if getattr(self, name) is not None]
        if self.event is None and filters:
            raise ValueError(f"`{filters[0]}` belongs to a condition on events: add `event`")

    def _given(self, names: dict[str, str]) -> list[str]:
        return [shown for attribute, shown in names.items() if getattr(self, attribute) is not None]

    @property
    def comparison(self) -> str:
        """The comparison of a condition on a field, as written: `is`, `in`, ..."""
        return self._given(_COMPARISONS)[0]

    @property
    def operands(self) -> list[Scalar]:
        """What the field is compared to."""
        if self.in_ is not None:
            return list(self.in_)
        if self.between is not None:
            return list(self.between)
        return [one for one in (self.is_, self.at_least, self.at_most, self.contains) if one is not None]

    def parts(self) -> Iterator[tuple[tuple[str | int, ...], "Condition"]]:
        """The conditions directly inside this one, each with its path."""
        for name, inside in (("all", self.all_), ("any", self.any_)):
            for index, part in enumerate(inside or ()):
                yield (name, index), part
        if self.not_ is not None:
            yield ("not",), self.not_


class View(Protocol):
    """What conditions may look at: one lead as somebody knows it."""

    @property
    def now(self) -> datetime:
        """When the question is asked, for conditions that ask how old a value is. Raises ValueError where the view is
        of no moment."""

    def field(self, field_id: str) -> Field | None:
        """The field's definition, None when the registry no longer has it."""

    def observation(self, field_id: str) -> Observation | None:
        """The believed observation of a field, None when there is no value."""

    def count(self, condition: Condition) -> int:
        """How many events match a condition on events (see `matches`)."""


class Evaluation(NamedTuple):
    """An answer and what it rests on. Field ids stand in the order in which the condition names them.

    `fields`: all that were looked at; `open`: those because of which the answer is unknown (empty when it is known).
    """

    truth: Truth
    fields: tuple[str, ...] = ()
    open: tuple[str, ...] = ()


def evaluate(condition: Condition, view: View) -> Evaluation:
    """The truth of a condition for a lead."""
    if condition.field is not None:
        truth = _test(condition, view.field(condition.field), _said(condition, condition.field, view))
        return Evaluation(truth, (condition.field,), (condition.field,) if truth is None else ())
    if condition.event is not None:
        return Evaluation(view.count(condition) >= (condition.count or 1))
    parts = [evaluate(part, view) for _, part in condition.parts()]
    truths = [part.truth for part in parts]
    if condition.all_ is not None:
        truth = kleene_all(truths)
    elif condition.any_ is not None:
        truth = kleene_any(truths)
    else:
        truth = kleene_not(truths[0])
    looked_at = _in_order(field for part in parts for field in part.fields)
    undecided = _in_order(field for part in parts for field in part.open) if truth is None else ()
    return Evaluation(truth, looked_at, undecided)


def _said(condition: Condition, field_id: str, view: View) -> Observation | None:
    """What is believed of the field, unless it is older than the condition allows."""
    observation = view.observation(field_id)
    if observation is None or condition.within_days is None:
        return observation
    return None if is_too_old(condition, observation, view.now) else observation


def is_too_old(condition: Condition, said: Observation, now: datetime) -> bool:
    """Whether a condition on a field takes what was said of it for not said."""
    return condition.within_days is not None and now - said.observed_at > timedelta(days=condition.within_days)


def leaves(condition: Condition) -> Iterator[Condition]:
    """The conditions of fields and of events that it is made of."""
    if condition.field is not None or condition.event is not None:
        yield condition
    for _, part in condition.parts():
        yield from leaves(part)


def fields_in(condition: Condition) -> frozenset[str]:
    """Every field that the condition looks at."""
    return frozenset(leaf.field for leaf in leaves(condition) if leaf.field is not None)


def kleene_all(truths: Iterable[Truth]) -> Truth:
    """False if any is False, else None if any is None, else True (also of nothing)."""
    seen = set(truths)
    return False if False in seen else (None if None in seen else True)


def kleene_any(truths: Iterable[Truth]) -> Truth:
    """True if any is True, else None if any is None, else False (also of nothing)."""
    seen = set(truths)
    return True if True in seen else (None if None in seen else False)


def kleene_not(truth: Truth) -> Truth:
    """The opposite; of the unknown, the unknown."""
    return None if truth is None else not truth


def matches(condition: Condition, event: Event) -> bool:
    """Whether an event is one of those that a condition on events counts.

    `handoff` means the events of handoffs, with status created, accepted, returned or overdue.
    """
    name, status = event.name, getattr(event.data, "status", None)
    if name.startswith("handoff-"):
        name, _, status = name.partition("-")
    if name != condition.event or condition.status not in (None, status):
        return False
    return all(
        getattr(condition, filter_) in (None, getattr(event.data, filter_, None))
        for filter_ in ("direction", "outcome", "channel")
    )


def _test(condition: Condition, field: Field | None, observation: Observation | None) -> Truth:
    if condition.known is not None:
        return (field is not None and is_known(field, observation)) == condition.known
    if field is None or observation is None:
        return None
    if field.type == "confirmation":
        return kleene_any(_confirmed(observation.status, wanted) for wanted in condition.operands)
    if observation.value is None:
        return None
    return _compare(condition, observation.value)


def _confirmed(status: str | None, wanted: Scalar) -> Truth:
    """What was assumed or is unknown neither confirms nor denies."""
    if status is None:
        return None
    if wanted in ("confirmed", "denied"):
        return status == wanted if status in ("confirmed", "denied") else None
    return status == wanted


def _compare(condition: Condition, value: FieldValue) -> Truth:
    if condition.is_ is not None:
        return _equal(value, condition.is_)
    if condition.in_ is not None:
        return kleene_any(_equal(value, one) for one in condition.in_)
    if condition.contains is not None:
        return _contains(value, condition.contains)
    if condition.between is not None:
        low, high = condition.between
        return kleene_all((at_least(value, low), at_least(high, value)))
    if condition.at_least is not None:
        return at_least(value, condition.at_least)
    return None if condition.at_most is None else at_least(condition.at_most, value)


def _equal(value: FieldValue, wanted: Scalar) -> Truth:
    if isinstance(value, str) and isinstance(wanted, str):
        return _folded(value) == _folded(wanted)
    if isinstance(value, list) or type(value) is not type(wanted):
        return None
    return value == wanted


def _contains(value: FieldValue, wanted: Scalar) -> Truth:
    if not isinstance(wanted, str):
        return None
    if isinstance(value, list):
        return _folded(wanted) in {_folded(item) for item in value}
    return _folded(wanted) in _folded(value) if isinstance(value, str) else None


def at_least(a: FieldValue, b: FieldValue) -> Truth:
    """a >= b; unknown where the two have no common scale (another currency, a text and a number)."""
    if isinstance(a, Money) and isinstance(b, Money):
        return a.minor >= b.minor if a.currency == b.currency else None
    if isinstance(a, bool) or isinstance(b, bool):
        return None
    if isinstance(a, int | float) and isinstance(b, int | float):
        return a >= b
    if isinstance(a, str) and isinstance(b, str):  # dates, in ISO form
        return a >= b
    return None


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _in_order(fields: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(fields))
