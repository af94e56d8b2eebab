"""Any tool that can post JSON (or a form) to an address: one object, or an array of them."""

from collections.abc import Sequence

from services.ingest.providers.base import Delivery, Payload, Provider, Verdict, verify_told_secret
from services.ingest.providers.encodings import FORM, JSON, MULTIPART, read_forms


class Json(Provider):
    """No signature is agreed on; a secret is a header that the operator sets in the tool."""

    media_types = frozenset({JSON, FORM, MULTIPART})

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> Verdict:
        return verify_told_secret(delivery, secrets)

    async def read(self, delivery: Delivery) -> Payload:
        return await read_forms(delivery)
