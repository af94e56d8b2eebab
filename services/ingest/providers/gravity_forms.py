"""Gravity Forms (WordPress): the Webhooks add-on posts the entry, its values under the numbers of the fields."""

from collections.abc import Sequence

from services.ingest.providers.base import Delivery, Form, Payload, Provider, Unusable, Verdict, verify_told_secret
from services.ingest.providers.encodings import FORM, JSON, MULTIPART, read_body
from services.ingest.providers.reading import time_of

_OF_THE_ENTRY = frozenset(
    {
        "id",
        "form_id",
        "post_id",
        "date_created",
        "date_updated",
        "is_starred",
        "is_read",
        "ip",
        "user_agent",
        "currency",
        "payment_status",
        "payment_date",
        "payment_amount",
        "payment_method",
        "transaction_id",
        "is_fulfilled",
        "created_by",
        "transaction_type",
        "status",
    }
)


class GravityForms(Provider):
    """All fields of an entry (`2.3`: the first name in the name field 2), or those that the operator selected."""

    media_types = frozenset({JSON, FORM, MULTIPART})

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> Verdict:
        return verify_told_secret(delivery, secrets)

    async def read(self, delivery: Delivery) -> Payload:
        body = await read_body(delivery)
        if not isinstance(body, dict) or not body:
            raise Unusable("the body is no entry of a form")
        is_entry = "form_id" in body and "date_created" in body
        values = {name: value for name, value in body.items() if not (is_entry and name in _OF_THE_ENTRY)}
        at = (time_of(body.get("date_updated")) or time_of(body.get("date_created"))) if is_entry else None
        return Payload(entries=[Form(values=values, raw=body, observed_at=at)])
