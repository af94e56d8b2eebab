"""Marketo: a webhook of a smart campaign posts what the operator's own template says."""

from collections.abc import Sequence
from typing import ClassVar

from services.ingest.providers.base import Delivery, Form, Payload, Provider, Unusable, Verdict, verify_told_secret
from services.ingest.providers.encodings import FORM, JSON, read_body
from services.ingest.providers.reading import id_of

_ID = ("leadId", "lead_id")


class Marketo(Provider):
    """Our names, Marketo's (`firstName`), or what `fields` says; `leadId` ties what comes later to the same lead."""

    media_types = frozenset({JSON, FORM})
    names: ClassVar = {
        "emailAddress": "email",
        "firstName": "first_name",
        "lastName": "last_name",
        "company": "company_name",
        "companyName": "company_name",
        "jobTitle": "title",
        "numberOfEmployees": "employees",
    }

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> Verdict:
        return verify_told_secret(delivery, secrets)

    async def read(self, delivery: Delivery) -> Payload:
        body = await read_body(delivery)
        if not isinstance(body, dict) or not body:
            raise Unusable("the body is no object or form")
        id_ = next((id_ for name in _ID if (id_ := id_of(body.get(name)))), None)
        values = {name: value for name, value in body.items() if name not in _ID}
        return Payload(entries=[Form(values=values, raw=body, external_id=id_ and f"marketo:{id_}")])
