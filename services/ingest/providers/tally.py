"""Tally: HMAC over the body; what was chosen comes as ids of options."""

from collections.abc import Iterator, Sequence
from typing import Any

from services.ingest.providers.base import Delivery, Form, Nothing, Payload, Provider, Unusable, Verdict, is_same
from services.ingest.providers.encodings import JSON, read_object
from services.ingest.providers.reading import id_of, object_at, objects_in, text_of, time_of
from services.ingest.providers.signatures import base64_hmac, by_any

_MEANT = {"INPUT_EMAIL": "email", "INPUT_PHONE_NUMBER": "phone"}


class Tally(Provider):
    """A value is named by its question's label, or by its key (`question_...`)."""

    media_types = frozenset({JSON})

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> Verdict:
        signature = delivery.headers.get("tally-signature", "")
        return by_any(secrets, lambda secret: is_same(signature, base64_hmac(secret, delivery.body)))

    async def read(self, delivery: Delivery) -> Payload:
        body = read_object(delivery.body)
        if body.get("eventType") != "FORM_RESPONSE":
            return Payload(entries=[Nothing(reason="is no response to a form", raw=body)])
        id_ = id_of(body.get("eventId"))
        if id_ is None:
            raise Unusable("eventId is missing")
        data = object_at(body, "data")
        values: dict[str, Any] = {}
        also: dict[str, Sequence[str]] = {}
        for name, value, further in _answers(data):
            values[name] = value
            also[name] = further
        observed_at = time_of(data.get("createdAt")) or time_of(body.get("createdAt"))
        return Payload(entries=[Form(values=values, raw=body, id=id_, observed_at=observed_at, also=also)])


def _answers(data: dict[str, Any]) -> Iterator[tuple[str, Any, Sequence[str]]]:
    """Name, value and further names of each field; of several with one label all but the first go by their keys."""
    taken: set[str] = set()
    for field in objects_in(data.get("fields")):
        names = [name for name in (text_of(field.get("label")), text_of(field.get("key"))) if name]
        free = [name for name in names if name not in taken]
        if not free:
            continue
        taken.add(free[0])
        kind = text_of(field.get("type")) or ""
        meant = [_MEANT[kind]] if kind in _MEANT else []
        yield free[0], _value(field), [*free[1:], *meant]


def _value(field: dict[str, Any]) -> Any:
    """Texts instead of ids: of options, and of the rows and columns of a matrix; of a file its name."""
    texts = {
        text_of(option.get("id")): option.get("text")
        for part in ("options", "rows", "columns")
        for option in objects_in(field.get(part))
    }

    def text(value: Any) -> Any:
        if isinstance(value, list):
            return [text(entry) for entry in value]
        if isinstance(value, dict):
            if "url" in value and "name" in value:
                return value["name"]
            return {str(texts.get(key) or key): text(entry) for key, entry in value.items()}
        return texts.get(value) or value if isinstance(value, str) else value

    return text(field.get("value"))
