"""A form on a web page: what browsers send, in any of the three encodings."""

from collections.abc import Sequence

from services.ingest.providers.base import Delivery, Payload, Provider, Verdict, verify_told_secret
from services.ingest.providers.encodings import FORM, JSON, MULTIPART, read_forms


class HtmlForm(Provider):
    """No signature exists; a secret is a header that the page's own server adds."""

    media_types = frozenset({FORM, MULTIPART, JSON})

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> Verdict:
        return verify_told_secret(delivery, secrets)

    async def read(self, delivery: Delivery) -> Payload:
        return await read_forms(delivery)
