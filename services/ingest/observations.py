"""From what a form, a rep or a tool says to observations of fields, or to what is wrong with it. Pure."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from services.ingest.forms import HearingAnswer
from services.ingest.items import made_id
from shared.events import FieldValue, Method, Observation
from shared.fields import FieldRegistry, UnknownFieldError
from shared.mistakes import FieldError


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What all observations of one submission share. `source` and `id` are the submission's identity."""

    source: str
    id: str
    method: Method
    observed_at: datetime
    said_by: str
    """The observation's `source`: the form, the channel of the hearing, the tool."""
    by: str | None = None


def submission_digest(*said: Any) -> bytes:
    """16 bytes that are equal when the same was said; the order of keys does not matter."""
    return hashlib.blake2b(msgspec.json.encode(said, order="deterministic"), digest_size=16).digest()


def observe_fields(
    registry: FieldRegistry, origin: Origin, fields: Mapping[str, Any]
) -> tuple[list[Observation], dict[str, str]]:
    """Observations of the good values, and the reason for each other field. A blank value says nothing: skipped."""
    observed: list[Observation] = []
    wrong: dict[str, str] = {}
    for field, raw in fields.items():
        if is_blank(raw):
            continue
        try:
            _check_method(registry, field, origin.method)
            observed.append(observation(origin, field, value=registry.normalise(field, raw)))
        except ValueError as error:
            wrong[field] = str(error)
    return observed, wrong


def observe_answers(
    registry: FieldRegistry, origin: Origin, answers: Mapping[str, HearingAnswer]
) -> tuple[list[Observation], list[FieldError]]:
    """Observations of a hearing, and what is wrong with its answers."""
    observed: list[Observation] = []
    errors: list[FieldError] = []
    for field, answer in answers.items():
        pointer = f"/answers/{escape(field)}"
        try:
            value = _answer_value(registry, field, answer)
        except ValueError as error:
            errors.append(FieldError(pointer, str(error)))
            continue
        observed.append(observation(origin, field, value=value, status=answer.status, quote=answer.quote))
    return observed, errors


def _answer_value(registry: FieldRegistry, field: str, answer: HearingAnswer) -> FieldValue | None:
    _check_method(registry, field, "hearing")
    is_confirmation = registry.get(field).type == "confirmation"
    if is_confirmation and answer.status is None:
        raise ValueError("needs a `status`: confirmed, denied, assumed or unknown")
    # Asked, and not known: that is on record, and believed of nothing (shared/fields.py).
    if not is_confirmation and is_blank(answer.value) and answer.status != "unknown":
        raise ValueError("needs a `value`, or the `status` unknown")
    return None if is_blank(answer.value) else registry.normalise(field, answer.value)


def is_blank(raw: Any) -> bool:
    """Whether a form's field was left empty."""
    return raw is None or raw in ("", [], {}) or (isinstance(raw, str) and not raw.strip())


def escape(name: str) -> str:
    """A name as one token of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def _check_method(registry: FieldRegistry, field: str, method: Method) -> None:
    if field not in registry:
        raise UnknownFieldError(field)
    if not registry.allowed(field, method):
        known = ", ".join(registry.get(field).precedence)
        raise ValueError(f"a {method} may not supply this field (fields.yaml: {known})")


def observation(origin: Origin, field: str, **said: Any) -> Observation:
    """What was said of one field, in its one written form already."""
    return Observation(
        observation_id=made_id("observation", origin.source, origin.id, field),
        field=field,
        method=origin.method,
        source=origin.said_by,
        observed_at=origin.observed_at,
        by=origin.by,
        **said,
    )
