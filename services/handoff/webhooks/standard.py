"""What a standard webhook is told: the event as a CloudEvent in JSON, signed by Standard Webhooks. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from shared.events import Event, HandoffReturned, to_structured
from shared.standard_webhooks import signature, signed_content


class Post(NamedTuple):
    """What is posted."""

    body: bytes
    media_type: str


def standard_post(event: Event, *, comments: bool) -> Post:
    """The event in structured mode. comments: with what sales wrote when it gave the lead back."""
    if isinstance(event.data, HandoffReturned) and not comments:
        event = msgspec.structs.replace(event, data=msgspec.structs.replace(event.data, comment=None))
    return Post(to_structured(event), "application/cloudevents+json; charset=utf-8")


def headers_of(post: Post, event_id: str, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    """The headers of Standard Webhooks: the same id at each attempt, and a signature by each secret."""
    stamp = str(int(now.timestamp()))
    headers = {"content-type": post.media_type, "webhook-id": event_id, "webhook-timestamp": stamp}
    if secrets:
        signed = signed_content(event_id, stamp, post.body)
        headers["webhook-signature"] = " ".join(f"v1,{signature(signed, secret)}" for secret in secrets)
    return headers
