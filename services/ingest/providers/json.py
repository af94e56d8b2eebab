"""Any tool that can post JSON (or a form) to an address: one object, or an array of them."""

from collections.abc import Sequence

from services.ingest.providers.base import Delivery, Payload, has_secret_header
from services.ingest.providers.encodings import FORM, JSON, MULTIPART, read_body


class Json:
    """No signature is agreed on; a secret is a header that the operator sets in the tool."""

    media_types = frozenset({JSON, FORM, MULTIPART})

    def is_authentic(self, delivery: Delivery, secrets: Sequence[str]) -> bool:
        return has_secret_header(delivery, secrets)

    async def read(self, delivery: Delivery) -> Payload:
        return await read_body(delivery)
