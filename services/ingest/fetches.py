"""Notices that hold only where a submission is (Meta, LinkedIn, HubSpot): kept, then fetched in the background.

A notice is one row. Whoever takes it pushes its `next_at` on in that same statement, so a fetcher that dies is followed
by another one later, and several replicas share the work. What has been fetched is a submission under the notice's
identity: twice fetched is a duplicate. What stays unreachable for a day goes into the quarantine.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from services.ingest.items import made_id
from services.ingest.providers import Thin
from services.ingest.submissions import Arrival, webhook_id
from services.ingest.tables import Connection

CHANNEL = "tasuki_fetches"
TRIES = 12
"""With the pauses below, about a day."""
FIRST_PAUSE_S = 15
MOST_PAUSE_S = 4 * 3600


class Due(NamedTuple):
    """A notice that was taken to be fetched. `attempts` counts this one."""

    source: str
    id: str
    reference: dict[str, Any]
    raw: Any
    received_at: datetime
    attempts: int
    traceparent: str | None


def event_id(source: str, notice_id: str) -> str:
    """Id of the event that will tell of what is fetched."""
    return made_id("lead-fields", source, webhook_id(source, notice_id))


async def add(db: Connection, source: str, notices: Sequence[Thin], arrival: Arrival) -> set[str]:
    """Keep notices and wake the fetchers; the ids of those that are new, or had failed."""
    rows = await db.fetch(
        """
        with new as (
            insert into ingest.fetches as f (source, id, reference, raw, received_at, next_at, traceparent)
            select $1, n.id, n.reference, n.raw, $5, $5, $6
            from unnest($2::text[], $3::jsonb[], $4::jsonb[]) as n(id, reference, raw)
            on conflict (source, id) do update
            set state = 'waiting', attempts = 0, next_at = excluded.next_at where f.state = 'failed'
            returning id
        )
        select id, pg_notify($7, '') from new
        """,
        source,
        *_columns({notice.id: notice for notice in notices}),
        arrival.at,
        arrival.traceparent,
        CHANNEL,
    )
    return {row["id"] for row in rows}


def _columns(notices: dict[str, Thin]) -> tuple[list[str], list[str], list[str]]:
    return (
        list(notices),
        [msgspec.json.encode(notice.reference).decode() for notice in notices.values()],
        [msgspec.json.encode(notice.raw).decode() for notice in notices.values()],
    )


async def take(db: Connection, sources: Sequence[str], now: datetime) -> Due | None:
    """The next notice of these sources that is due; nobody else gets it before its pause is over."""
    row = await db.fetchrow(
        """
        update ingest.fetches f set attempts = attempts + 1,
            next_at = $2 + make_interval(secs => least($4, $3 * power(2, attempts)))
        where (source, id) = (
            select source, id from ingest.fetches
            where state = 'waiting' and next_at <= $2 and source = any($1)
            order by next_at limit 1 for update skip locked
        )
        returning source, id, reference::text, raw::text, received_at, attempts, traceparent
        """,
        list(sources),
        now,
        float(FIRST_PAUSE_S),
        float(MOST_PAUSE_S),
    )
    if row is None:
        return None
    reference, raw = msgspec.json.decode(row["reference"]), msgspec.json.decode(row["raw"])
    return Due(row["source"], row["id"], reference, raw, row["received_at"], row["attempts"], row["traceparent"])


async def next_due(db: Connection, sources: Sequence[str], now: datetime) -> timedelta | None:
    """How long until a notice of these sources is due."""
    at: datetime | None = await db.fetchval(
        "select min(next_at) from ingest.fetches where state = 'waiting' and source = any($1)", list(sources)
    )
    return None if at is None else at - now


async def finish(db: Connection, due: Due, state: str, reason: str | None = None) -> None:
    """`done`, or `failed` for good."""
    await db.execute(
        "update ingest.fetches set state = $3, reason = $4 where source = $1 and id = $2",
        due.source,
        due.id,
        state,
        reason,
    )
