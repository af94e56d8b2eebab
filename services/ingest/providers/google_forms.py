"""Google Forms: it has no webhooks; a script of the operator's posts what the form's or sheet's event holds."""

from collections.abc import Sequence
from typing import Any

from services.ingest.providers.base import Delivery, Form, Payload, Provider, Unusable, Verdict, verify_told_secret
from services.ingest.providers.encodings import JSON, read_object


class GoogleForms(Provider):
    """The event as a whole, its `namedValues`, or an object of questions and answers that the script made."""

    media_types = frozenset({JSON})

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> Verdict:
        return verify_told_secret(delivery, secrets)

    async def read(self, delivery: Delivery) -> Payload:
        body = read_object(delivery.body)
        answers = body.get("namedValues", body)
        if not isinstance(answers, dict) or not answers:
            raise Unusable("namedValues holds no answers")
        return Payload(entries=[Form(values={name: _value(given) for name, given in answers.items()}, raw=body)])


def _value(given: Any) -> Any:
    """An answer comes as a list; questions with the same title share one, with blanks for those not asked."""
    if not isinstance(given, list):
        return given
    said = [entry for entry in given if entry not in ("", None)]
    return said[0] if len(said) == 1 else said
