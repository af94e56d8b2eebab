"""Activities that other programs write to the log themselves: ingest knows them as if they had been posted.

What our own services have told says when it was recorded, and is passed over. Of the rest only what follows is told:
that a lead became known by it, and the corrections that waited for it; the activity itself is in the log already
(docs/decisions/0019-what-others-write-is-learnt.md).
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest import corrections, identities, opt_outs
from services.ingest.activities import digest_of
from services.ingest.identities import Known
from services.ingest.items import Activity, Whom
from services.ingest.leads import touching
from services.ingest.record_activities import created_by, leads_of, touch_of
from services.ingest.tell import tell
from services.ingest.whom import is_id
from shared.audit import By
from shared.consume import Received
from shared.db import driver
from shared.events import ACTIVITY_TYPES, Contract, Correction, Event, Spend
from shared.one_statement import apply


def activity_of(received: Received) -> Activity | None:
    """An event of the log as an activity of the lead that it names; None for what is none, or is ours. Pure."""
    event = received.event
    if event.name not in ACTIVITY_TYPES or received.told_by_us:
        return None
    return Activity(
        source=event.source,
        id=event.id,
        name=event.name,
        time=event.time,
        data=event.data,
        digest=digest_of(event.name, event.time, event.subject or None, None, event.data),
        whom=_whom(event),
        by=By(event.source, "log"),
        key=event.key,
        traceparent=event.traceparent,
    )


def _whom(event: Event) -> Whom | None:
    """The lead of the event; a correction makes none known. None where there is none, or none of this id can be."""
    if isinstance(event.data, Contract | Spend) or not is_id(event.subject):
        return None
    return Whom(lead_id=event.subject, create=not isinstance(event.data, Correction))


async def learn(
    conn: AsyncConnection, items: Sequence[Activity], recorded_at: datetime, personal: frozenset[str]
) -> None:
    """Store the identities that are not known yet, and what the leads' rows keep of them. Raises RacedError."""
    db = await driver(conn)
    known = await identities.look_up(db, {(item.source, item.id) for item in items})
    fresh, _, _, awaited = identities.sort_out(items, known)
    if not fresh:
        return
    new = [items[at] for at in fresh]
    taken = list(zip(new, await leads_of(new, db, recorded_at), strict=True))
    placed = {
        (item.source, item.id): Known(item.digest, item.name, lead.lead_id, item.key or "") for item, lead in taken
    }
    heard = [(item, lead) for item, lead in taken if lead.lead_id and not lead.erased and item.name != "correction"]
    touches = touching([touch_of(item, lead) for item, lead in heard])
    await apply(db, [*identities.remembering(placed, awaited, recorded_at), *touches])
    arrived = {identity: known for identity, known in placed.items() if identity in awaited}
    released = await corrections.release(db, arrived, recorded_at) if arrived else []
    opted_out = await opt_outs.record(db, heard, recorded_at)
    await tell(conn, [*created_by(taken, recorded_at), *opted_out, *released], personal)
