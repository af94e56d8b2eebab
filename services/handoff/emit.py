"""What handoff tells the log, and the endpoints of webhooks.yaml: events with an identity that follows from what
happened, so a repetition is no news."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from types import MappingProxyType
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy.ext.asyncio import AsyncConnection

from services.handoff.tables import SCHEMA
from services.handoff.webhooks import deliveries
from shared import lead_keys
from shared.events import Data, Event
from shared.outbox import enqueue
from shared.telemetry import current_traceparent
from shared.telemetry.trace import read_traceparent

SOURCE = "tasuki.handoff"
_causes: ContextVar[Mapping[str, str]] = ContextVar("causes", default=MappingProxyType({}))
_NAMES = uuid5(NAMESPACE_URL, "urn:tasuki:handoff")


def identity_of(what: str) -> str:
    """A UUID that is the same for the same words, for ever."""
    return str(uuid5(_NAMES, what))


@contextmanager
def caused_by(causes: Mapping[str, str]) -> Iterator[None]:
    """What happens to a lead within the block goes on in the trace of what has caused it: lead id -> traceparent."""
    token = _causes.set(causes)
    try:
        yield
    finally:
        _causes.reset(token)


def happened(name: str, lead_id: str, what: str, data: Data, at: datetime, now: datetime) -> Event:
    """An event of ours about a lead; `what` tells it from everything else that ever happens.

    It belongs to the trace of its cause: an event of the batch at hand, or the request.
    """
    cause = read_traceparent(_causes.get().get(lead_id))  # anybody may have written it
    return Event(
        id=identity_of(what),
        source=SOURCE,
        name=name,
        time=at,
        subject=lead_id,
        key=lead_id,
        recorded_at=now,
        data=data,
        traceparent=cause.traceparent if cause else current_traceparent(),
    )


async def tell_webhooks(conn: AsyncConnection, events: Sequence[Event]) -> None:
    """Tell the endpoints alone, if and when the transaction commits. Nothing in it is personal."""
    await deliveries.add(conn, events)


async def emit(conn: AsyncConnection, events: Sequence[Event]) -> None:
    """Tell the log and the endpoints, if and when the transaction commits; what is personal is sealed."""
    sealed = await lead_keys.seal_events(conn, events, ())
    await enqueue(conn, SCHEMA, sealed)
    await deliveries.add(conn, sealed)
