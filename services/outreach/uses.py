"""That a piece of content was used for a lead: kept, and told to the log in the same transaction, each use once."""

from datetime import datetime

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from services.outreach.tables import SCHEMA
from shared.db import driver
from shared.events import Channel, ContentKind, ContentUsed, Data, Event, Language
from shared.outbox import enqueue
from shared.telemetry import current_traceparent

SOURCE = "tasuki.outreach"


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """One use. `use_id` is the id of its event."""

    use_id: str
    lead_id: str
    rep: str
    kind: ContentKind
    content: str
    language: Language
    used_at: datetime
    channel: Channel | None = None
    occasion: str | None = None


async def record(conn: AsyncConnection, use: Use) -> Use:
    """Keep the use and tell the log, unless it was told before; the use as it is on record."""
    connection = await driver(conn)
    added = await connection.fetchval(
        """
        insert into outreach.uses (use_id, lead_id, rep, kind, content, language, channel, occasion, at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict do nothing returning use_id
        """,
        use.use_id,
        use.lead_id,
        use.rep,
        use.kind,
        use.content,
        use.language,
        use.channel,
        use.occasion,
        use.used_at,
    )
    if added is None:
        return await told(conn, use.use_id)
    said = ContentUsed(
        rep=use.rep,
        content=use.content,
        kind=use.kind,
        language=use.language,
        channel=use.channel,
        occasion=use.occasion,
    )
    await tell(conn, "content-used", use.use_id, use.lead_id, said, use.used_at)
    return use


async def told(conn: AsyncConnection, use_id: str) -> Use:
    """The use of this id, which must be on record."""
    row = await (await driver(conn)).fetchrow(
        """
        select use_id, lead_id, rep, kind, content, language, channel, occasion, at as used_at
        from outreach.uses where use_id = $1
        """,
        use_id,
    )
    return msgspec.convert(dict(row), Use)


async def tell(conn: AsyncConnection, name: str, event_id: str, lead_id: str, data: Data, at: datetime) -> None:
    """Add an event of ours about a lead to the outbox. It holds nothing personal, so nothing is sealed."""
    event = Event(
        id=event_id,
        source=SOURCE,
        name=name,
        time=at,
        subject=lead_id,
        key=lead_id,
        recorded_at=at,
        data=data,
        traceparent=current_traceparent(),
    )
    await enqueue(conn, SCHEMA, [event])
