"""What a provider is given and what it makes of it."""

import hmac
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec


class Unusable(Exception):
    """A body that nothing can be made of; the text says why."""


class Delivery(msgspec.Struct, frozen=True):
    """One webhook as it came. Header names are in lower case."""

    body: bytes
    content_type: str
    headers: Mapping[str, str] = {}


class Payload(msgspec.Struct, frozen=True):
    """What a delivery holds: submissions as they were named by the sender; `is_batch` when it came as a list."""

    entries: Sequence[Any]
    is_batch: bool = False


class Provider(Protocol):
    """One kind of sender."""

    media_types: frozenset[str]

    def is_authentic(self, delivery: Delivery, secrets: Sequence[str]) -> bool:
        """Whether the sender knows one of the secrets; with no secret configured everybody is let in."""

    async def read(self, delivery: Delivery) -> Payload:
        """Raises Unusable."""


def has_secret_header(delivery: Delivery, secrets: Sequence[str]) -> bool:
    """For senders that cannot sign but can send a header: `X-Tasuki-Secret`, or `Authorization: Bearer`."""
    if not secrets:
        return True
    kind, _, token = delivery.headers.get("authorization", "").partition(" ")
    given = [delivery.headers.get("x-tasuki-secret", ""), token.strip() if kind.lower() == "bearer" else ""]
    matches = [hmac.compare_digest(a.encode(), b.encode()) for a in given if a for b in secrets]
    return any(matches)
