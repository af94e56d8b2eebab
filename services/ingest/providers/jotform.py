"""Jotform: multipart with the answers as JSON inside; it signs nothing, so a secret stands in the address."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from services.ingest.providers.base import (
    Delivery,
    Form,
    Payload,
    Provider,
    Unusable,
    Verdict,
    verify_told_secret,
)
from services.ingest.providers.encodings import FORM, JSON, MULTIPART, read_body, read_object
from services.ingest.providers.reading import id_of, list_of, text_of

_QUESTION = re.compile(r"q(\d+)_(.+)", re.DOTALL)
_PARTS = {"first": "first_name", "last": "last_name"}


class Jotform(Provider):
    """A value is named `q3_name` (its parts `q3_name.first`), or by the field's own name without the number.

    What the form's script adds (when it was loaded, how long it took) differs every time and is left out.
    """

    media_types = frozenset({MULTIPART, FORM, JSON})

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> Verdict:
        return verify_told_secret(delivery, secrets)

    async def read(self, delivery: Delivery) -> Payload:
        body = await read_body(delivery)
        if not isinstance(body, dict):
            raise Unusable("the body is no form")
        id_ = id_of(body.get("submissionID"))
        if id_ is None:
            raise Unusable("submissionID is missing")
        answers = body.get("rawRequest")
        if isinstance(answers, str):
            answers = read_object(answers.encode())
        if not isinstance(answers, dict):
            raise Unusable("rawRequest is missing")
        values = dict(_values(answers))
        also = {name: further for key, value in values.items() for name, further in _further(key, value)}
        return Payload(entries=[Form(values=values, raw=body, id=id_, also=also)])


def _values(answers: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Questions by their names, a telephone in its parts as one text, and uploaded files."""
    for key, value in answers.items():
        if _QUESTION.fullmatch(key):
            yield key, _joined(value) if isinstance(value, dict) else value
        elif list_of(value) and all(isinstance(entry, str) and entry.startswith("https://") for entry in value):
            yield key, value


def _joined(value: dict[str, Any]) -> Any:
    if isinstance(value.get("full"), str):
        return value["full"]
    if isinstance(value.get("area"), str) and isinstance(value.get("phone"), str):
        country = (text_of(value.get("country")) or "").lstrip("+")
        return f"{f'+{country}' if country else ''} {value['area']} {value['phone']}".strip()
    return value


def _further(key: str, value: Any) -> Iterator[tuple[str, Sequence[str]]]:
    """`q3_name.first` -> `name.first`, and `first_name`, which the first part of a full name always is."""
    question = _QUESTION.fullmatch(key)
    if question is None:
        return
    if isinstance(value, dict):
        is_name = value.keys() >= _PARTS.keys()
        for part in value:
            meant = [_PARTS[part]] if is_name and part in _PARTS else []
            yield f"{key}.{part}", [f"{question[2]}.{part}", *meant]
    else:
        yield key, [question[2], *(["phone"] if question[2].startswith("phone") else [])]
