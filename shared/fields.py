"""The fields of a lead: what each may hold, who may supply it, and which of many values is believed."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from shared import normalise
from shared.events import FieldValue, Method, Observation
from shared.words import Words

FieldType = Literal[
    "text", "integer", "money", "date", "boolean", "choice", "email", "phone", "url", "list", "confirmation"
]
Scope = Literal["person", "company", "lead"]
FieldId = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,99}$")]


class UnknownFieldError(ValueError):
    """A field id that fields.yaml does not have."""

    def __init__(self, field_id: str) -> None:
        super().__init__(f"there is no field {field_id!r} in fields.yaml")
        self.field_id = field_id


class Field(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One entry of fields.yaml. A method that is missing in `precedence` may not supply the field."""

    id: FieldId
    type: FieldType
    scope: Scope
    precedence: Annotated[tuple[Method, ...], msgspec.Meta(min_length=1)]
    label: Words
    ask: Words | None = None
    personal_data: bool = False
    choices: tuple[str, ...] = ()
    format: Literal["corporate_number"] | None = None

    def __post_init__(self) -> None:
        if len(set(self.precedence)) != len(self.precedence):
            raise ValueError("`precedence` names a method twice: name each once, the first is believed first")
        if (self.type == "choice") != bool(self.choices):
            raise ValueError("`choices` lists what a field of type choice may hold, and belongs to no other type")
        if self.type == "confirmation" and self.precedence != ("hearing",):
            raise ValueError("a confirmation comes from a hearing alone: write `precedence: [hearing]`")
        if self.format and self.type != "text":
            raise ValueError("`format` belongs to a field of type text")

    def normalise(self, raw: object) -> FieldValue:
        """The value in its one written form. Raises ValueError that says what is wrong."""
        if self.format == "corporate_number":
            return normalise.corporate_number(raw)
        if self.type == "choice":
            return normalise.choice(raw, self.choices)
        return normalise.BY_TYPE[self.type](raw)


class FieldRegistry:
    """All fields by id, in the order of fields.yaml."""

    def __init__(self, fields: Iterable[Field]) -> None:
        self._fields: Mapping[str, Field] = {field.id: field for field in fields}

    def get(self, field_id: str) -> Field:
        """Raises UnknownFieldError, a ValueError."""
        try:
            return self._fields[field_id]
        except KeyError:
            raise UnknownFieldError(field_id) from None

    def __contains__(self, field_id: object) -> bool:
        return field_id in self._fields

    def __iter__(self) -> Iterator[Field]:
        return iter(self._fields.values())

    def __len__(self) -> int:
        return len(self._fields)

    @property
    def personal(self) -> frozenset[str]:
        """The ids of the fields that hold personal data."""
        return frozenset(field.id for field in self if field.personal_data)

    def allowed(self, field_id: str, method: Method) -> bool:
        """Whether this method may supply the field."""
        return method in self.get(field_id).precedence

    def normalise(self, field_id: str, raw: object) -> FieldValue:
        """Raises ValueError (UnknownFieldError for an unknown id)."""
        return self.get(field_id).normalise(raw)


def has_value(field: Field, observation: Observation) -> bool:
    """Whether the observation says something: a confirmation by its status, every other field by its value."""
    return (observation.status if field.type == "confirmation" else observation.value) is not None


def is_known(field: Field, observation: Observation | None) -> bool:
    """Whether the question is settled: a confirmation is when confirmed or denied, not when assumed or unknown."""
    if observation is None:
        return False
    if field.type == "confirmation":
        return observation.status in ("confirmed", "denied")
    return observation.value is not None


def better(registry: FieldRegistry, a: Observation, b: Observation) -> bool:
    """Whether `a` is believed rather than `b`, both of one field, with a value, from a method that may supply it.

    The first method in the field's precedence; within a method the latest `observed_at`; then the greatest
    `observation_id`. A total order on distinct observations: the order of arrival cannot matter.
    """
    return _rank(registry.get(a.field), a) > _rank(registry.get(b.field), b)


def _rank(field: Field, observation: Observation) -> tuple[int, datetime, str]:
    return (-field.precedence.index(observation.method), observation.observed_at, observation.observation_id)


def believed(registry: FieldRegistry, observations: Iterable[Observation]) -> dict[str, Observation]:
    """The winning observation of each field, whatever the order given.

    Left out: fields that fields.yaml no longer has, methods that may not supply the field, and what has no value.
    """
    best: dict[str, Observation] = {}
    for observation in observations:
        if observation.field not in registry:
            continue
        field = registry.get(observation.field)
        if observation.method not in field.precedence or not has_value(field, observation):
            continue
        holder = best.get(observation.field)
        if holder is None or better(registry, observation, holder):
            best[observation.field] = observation
    return best


def voices(registry: FieldRegistry, observations: Iterable[Observation]) -> dict[str, list[Observation]]:
    """What each source, or each person of it, said last of each field, in the order in which they are believed.

    Left out is what `believed` leaves out.
    """
    of_each: dict[tuple[str, str, str, str | None], dict[str, Observation]] = {}
    for said in observations:
        whose = (said.field, said.method, said.source, said.by)
        before = of_each.get(whose, {})
        of_each[whose] = believed(registry, [said, *before.values()])
    found: dict[str, list[Observation]] = {}
    for (field_id, *_), last in of_each.items():
        found.setdefault(field_id, []).extend(last.values())
    return {
        field_id: sorted(said, key=lambda one: _rank(registry.get(field_id), one), reverse=True)
        for field_id, said in found.items()
        if said
    }


def believed_of_merged(
    registry: FieldRegistry, own: Iterable[Observation], merged: Iterable[Observation]
) -> dict[str, Observation]:
    """As `believed`, for a lead that others were merged into: its own values first, theirs where it has none."""
    return believed(registry, merged) | believed(registry, own)
