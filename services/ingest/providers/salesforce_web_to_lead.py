"""Salesforce Web-to-Lead: the form of a web page with the names that Salesforce generates, posted here instead."""

from collections.abc import Sequence
from typing import ClassVar

from services.ingest.providers.base import Delivery, Form, Payload, Provider, Unusable, Verdict, verify_told_secret
from services.ingest.providers.encodings import FORM, MULTIPART, read_body

_OF_THE_FORM = frozenset(
    {"oid", "orgid", "retURL", "encoding", "submit", "debug", "debugEmail", "captcha_settings", "g-recaptcha-response"}
)


class SalesforceWebToLead(Provider):
    """What the form needs for itself (where to go on, the captcha) is left out; the rest are values."""

    media_types = frozenset({FORM, MULTIPART})
    names: ClassVar = {"company": "company_name", "URL": "website"}

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> Verdict:
        return verify_told_secret(delivery, secrets)

    async def read(self, delivery: Delivery) -> Payload:
        body = await read_body(delivery)
        if not isinstance(body, dict) or not body:
            raise Unusable("the body is no form")
        values = {name: value for name, value in body.items() if name not in _OF_THE_FORM}
        return Payload(entries=[Form(values=values, raw=body)])
