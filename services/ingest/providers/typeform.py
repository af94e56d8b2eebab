"""Typeform: HMAC over the body; answers refer to the questions of the form's definition."""

from collections.abc import Iterator, Sequence
from typing import Any

from services.ingest.providers.base import Delivery, Form, Nothing, Payload, Provider, Unusable, Verdict, is_same
from services.ingest.providers.encodings import JSON, read_object
from services.ingest.providers.reading import id_of, object_at, objects_in, text_of, time_of
from services.ingest.providers.signatures import base64_hmac, by_any

_MEANT = {"email": "email", "phone_number": "phone"}


class Typeform(Provider):
    """A value is named by its question's reference, id or title; hidden fields by their own names."""

    media_types = frozenset({JSON})

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> Verdict:
        signature = delivery.headers.get("typeform-signature", "")
        return by_any(secrets, lambda secret: is_same(signature, f"sha256={base64_hmac(secret, delivery.body)}"))

    async def read(self, delivery: Delivery) -> Payload:
        body = read_object(delivery.body)
        if body.get("event_type") != "form_response":
            return Payload(entries=[Nothing(reason="is no finished response to a form", raw=body)])
        response = object_at(body, "form_response")
        id_ = id_of(body.get("event_id")) or id_of(response.get("token"))
        if id_ is None:
            raise Unusable("event_id is missing")
        answers = {name: (value, also) for name, value, also in _answers(response)}
        form = Form(
            values={
                **{name: value for name, (value, _) in answers.items()},
                **{name: value for name, value in object_at(response, "hidden").items() if name not in answers},
            },
            raw=body,
            id=id_,
            observed_at=time_of(response.get("submitted_at")),
            also={name: also for name, (_, also) in answers.items()},
        )
        return Payload(entries=[form])


def _answers(response: dict[str, Any]) -> Iterator[tuple[str, Any, Sequence[str]]]:
    """Name, value and further names of each answer. Older deliveries have a reference only in the definition."""
    questions = {text_of(q.get("id")): q for q in objects_in(object_at(response, "definition").get("fields"))}
    for answer in objects_in(response.get("answers")):
        asked = object_at(answer, "field")
        question = questions.get(text_of(asked.get("id")), {})
        said = [asked.get("ref"), question.get("ref"), asked.get("id"), question.get("title")]
        names = [name for name in map(text_of, said) if name]
        kind = text_of(answer.get("type")) or ""
        meant = [_MEANT[kind]] if kind in _MEANT else []
        if names:
            yield names[0], _value(answer.get(kind)), [*names[1:], *meant]


def _value(given: Any) -> Any:
    """The chosen label or labels, what was written beside them, or the value itself."""
    if not isinstance(given, dict):
        return given
    if isinstance(given.get("labels"), list):
        return [*given["labels"], *([given["other"]] if given.get("other") else [])]
    return given.get("label") or given.get("other") or given
