"""Whether conditions make sense with the field registry: what YAML and `PUT /v1/policies` are checked with."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, get_args

from shared.conditions import EVENT_FILTERS, Condition, Scalar, at_least
from shared.events import CallOutcome, Channel, Direction, FieldStatus, TouchOutcome
from shared.fields import Field, FieldRegistry
from shared.money import Money
from shared.normalise import MAX_TEXT, nfkc

Path = tuple[str | int, ...]


class Mistake(NamedTuple):
    """What is wrong, and where: keys and indices from the top of the document."""

    path: Path
    reason: str


_SHOWN_MAX = 200
STATUSES = get_args(FieldStatus)
_COMPARABLE: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("integer", "money", "date"), frozenset({"is", "in", "between", "at_least", "at_most", "known"})),
    **dict.fromkeys(("text", "email", "phone", "url"), frozenset({"is", "in", "contains", "known"})),
    **dict.fromkeys(("boolean", "choice", "confirmation"), frozenset({"is", "in", "known"})),
    "list": frozenset({"contains", "known"}),
}
_EVENT_WORDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "call": {"direction": get_args(Direction), "outcome": get_args(CallOutcome)},
    "touch": {
        "direction": get_args(Direction),
        "outcome": get_args(TouchOutcome),
        "channel": get_args(Channel),
    },
    "appointment": {"status": ("set", "held", "cancelled", "no_show")},
    "opportunity": {"status": ("created", "valid", "invalid", "won", "lost")},
    "contract": {"status": ("started", "changed", "ended")},
    "handoff": {"status": ("created", "accepted", "returned", "overdue")},
}


def check_condition(
    condition: Condition, registry: FieldRegistry, *, events: bool, ages: bool = False, at: Path = ()
) -> Iterator[Mistake]:
    """Every mistake of a condition and of those inside it.

    `events`, `ages`: whether conditions on events, and on how old a value is, are allowed here.
    """
    if condition.field is not None:
        yield from _check_field(condition, condition.field, registry, at)
        if condition.within_days is not None and not ages:
            yield Mistake(
                (*at, "within_days"),
                "only the criteria of a policy look at the age of a value: a segment or a stage would change by itself",
            )
    elif condition.event is not None:
        if not events:
            yield Mistake(
                (*at, "event"), "a policy decides by fields alone; conditions on events belong to stages.yaml"
            )
        yield from _check_event(condition, at)
    for path, part in condition.parts():
        yield from check_condition(part, registry, events=events, ages=ages, at=(*at, *path))


def _check_field(condition: Condition, field_id: str, registry: FieldRegistry, at: Path) -> Iterator[Mistake]:
    if field_id not in registry:
        yield Mistake((*at, "field"), f"there is no field `{field_id}`; add it to fields.yaml or correct the name")
        return
    field, comparison = registry.get(field_id), condition.comparison
    if comparison not in _COMPARABLE[field.type]:
        allowed = ", ".join(sorted(_COMPARABLE[field.type]))
        yield Mistake((*at, comparison), f"`{field_id}` is of type {field.type}: compare it by one of {allowed}")
        return
    if condition.between is not None and at_least(condition.between[1], condition.between[0]) is False:
        yield Mistake((*at, "between"), "the first value is greater than the second, so nothing lies between them")
    for operand in condition.operands:
        reason = _unfit(field, operand)
        if reason:
            yield Mistake((*at, comparison), f"`{field_id}` cannot be compared to {_shown(operand)}: {reason}")


def _unfit(field: Field, operand: Scalar) -> str | None:
    """Why a field can never equal this; None when it can."""
    if field.type == "confirmation":
        return None if operand in STATUSES else f"a confirmation is one of {', '.join(STATUSES)}"
    if field.type in ("text", "email", "phone", "url", "list"):
        return _unfit_text(operand) if isinstance(operand, str) else "it is text; put it in quotes"
    if field.type == "integer" and isinstance(operand, str):
        return "write a whole number without quotes"
    try:
        normal = field.normalise(operand)
    except ValueError as error:
        return str(error)
    return None if normal == operand and type(normal) is type(operand) else f"write it as {_shown(normal)}"


def _unfit_text(operand: str) -> str | None:
    """Each lead's value is compared to its normal form, which of marks without end takes minutes."""
    try:
        nfkc(operand)
    except ValueError as error:
        return f"it {error}"
    return None if len(operand) <= MAX_TEXT else f"it is longer than {MAX_TEXT} characters"


def _check_event(condition: Condition, at: Path) -> Iterator[Mistake]:
    words = _EVENT_WORDS[str(condition.event)]
    for name in EVENT_FILTERS:
        given = getattr(condition, name)
        if given is None:
            continue
        if name not in words:
            yield Mistake((*at, name), f"a {condition.event} has no {name}; it has {', '.join(words)}")
        elif given not in words[name]:
            yield Mistake((*at, name), f"`{given}` is no {name} of a {condition.event}; use {', '.join(words[name])}")


def _shown(value: object) -> str:
    written = f"{value.value} {value.currency}" if isinstance(value, Money) else repr(value)
    return written if len(written) <= _SHOWN_MAX else written[:_SHOWN_MAX] + "…"
