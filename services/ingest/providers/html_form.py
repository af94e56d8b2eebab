"""A form on a web page: what browsers send, in any of the three encodings."""

from collections.abc import Sequence

from services.ingest.providers.base import Delivery, Payload, has_secret_header
from services.ingest.providers.encodings import FORM, JSON, MULTIPART, read_body


class HtmlForm:
    """No signature exists; a secret is a header that the page's own server adds."""

    media_types = frozenset({FORM, MULTIPART, JSON})

    def is_authentic(self, delivery: Delivery, secrets: Sequence[str]) -> bool:
        return has_secret_header(delivery, secrets)

    async def read(self, delivery: Delivery) -> Payload:
        return await read_body(delivery)
