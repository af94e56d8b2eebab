"""What ingest tells the log: sealed where it is personal, in the transaction of the caller."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

import uuid_utils
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest.items import PRODUCER, made_id
from shared import lead_keys, outbox
from shared.db import driver
from shared.events import Data, Event
from shared.one_statement import Change, apply


class Wish(NamedTuple):
    """What somebody wants done with a lead: when, by which API key, and by which request, if that can be repeated (an
    Idempotency-Key with its caller)."""

    at: datetime
    by: str
    request: str | None
    traceparent: str | None

    def event_id(self, name: str, lead_id: str, *more: str) -> str:
        """Id of the event that tells of it: the same when the request is repeated. `more`: what else it tells."""
        return made_id(name, lead_id, self.request or str(uuid_utils.uuid7()), *more)

    def event(
        self, name: str, lead_id: str, data: Data, *, id_: str | None = None, at: datetime | None = None
    ) -> Event:
        """An event of ours about the lead; it happened now, unless `at` says otherwise."""
        return ours(
            id_ or self.event_id(name, lead_id),
            name,
            lead_id,
            data,
            time=at or self.at,
            recorded_at=self.at,
            traceparent=self.traceparent,
        )


def ours(
    id_: str, name: str, lead_id: str, data: Data, *, time: datetime, recorded_at: datetime, traceparent: str | None
) -> Event:
    """An event that ingest itself makes about a lead."""
    return Event(
        id=id_,
        source=PRODUCER,
        name=name,
        time=time,
        subject=lead_id,
        key=lead_id,
        recorded_at=recorded_at,
        data=data,
        traceparent=traceparent,
    )


async def tell(conn: AsyncConnection, events: Sequence[Event], personal: Collection[str]) -> None:
    """Tell the log, if and when the transaction commits. personal: ids of the fields that hold personal data."""
    await apply(await driver(conn), await telling(conn, events, personal))


async def telling(conn: AsyncConnection, events: Sequence[Event], personal: Collection[str]) -> list[Change]:
    """What does the same beside other changes."""
    return outbox.enqueuing("ingest", await lead_keys.seal_events(conn, events, personal))
