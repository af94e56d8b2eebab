"""What outreach keeps of leads, all in the transaction that moves the positions; neither order nor repetition matters.

An erased lead's values and consents are deleted, and what comes of it later is not kept.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.outreach.permission import Consent
from services.outreach.tables import SCHEMA
from shared import dead_letters, lead_keys
from shared.consume import Received, SeenTable
from shared.db import driver
from shared.events import LEADS, Event, LeadConsent, LeadErased
from shared.lead_merges import LeadMerges, is_told
from shared.lead_observations import LeadObservations
from shared.web.idempotency import forget_leads

TOPICS = (LEADS,)
_MERGES_LOCK = 0x6F75_7472_6561  # "outrea"

merges = LeadMerges(SCHEMA)
observations = LeadObservations(SCHEMA)


class Takes(SeenTable):
    """Stores what ingest tells of leads."""

    def __init__(self) -> None:
        super().__init__(SCHEMA)

    async def handle(self, conn: AsyncConnection, received: Sequence[Received]) -> None:
        events = [r.event for r in received if r.event.subject]
        if not events:
            return
        # A merge comes in one shard and what it is about in another: a batch with one runs alone (docs/decisions/0003).
        how = "pg_advisory_xact_lock" if any(map(is_told, events)) else "pg_advisory_xact_lock_shared"
        await (await driver(conn)).execute(f"select {how}($1)", _MERGES_LOCK)
        await _add_leads(conn, events)
        await observations.add(conn, events)
        await _add_consents(conn, events)
        await merges.take(conn, events)
        await _erase(conn, events)


async def _add_leads(conn: AsyncConnection, events: Sequence[Event]) -> None:
    known: dict[str, datetime | None] = {}
    erased: dict[str, datetime | None] = {}
    for event in events:
        for name, times in (("lead-created", known), ("lead-erased", erased)):
            at = event.time if event.name == name else None
            times[event.subject] = min((t for t in (times.get(event.subject), at) if t is not None), default=None)
    ids = sorted(known)  # the order of insertion is the order of locking
    await (await driver(conn)).execute(
        """
        insert into outreach.leads as l (lead_id, known_at, erased_at)
        select * from unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) as t(lead_id, known_at, erased_at)
        order by lead_id
        on conflict (lead_id) do update set
            known_at = least(l.known_at, excluded.known_at), erased_at = least(l.erased_at, excluded.erased_at)
        """,
        ids,
        [known[lead_id] for lead_id in ids],
        [erased[lead_id] for lead_id in ids],
    )


async def _add_consents(conn: AsyncConnection, events: Sequence[Event]) -> None:
    # An array of arrays must be square: the channels travel as one text.
    rows = [
        (e.subject, *e.order, e.data.basis, e.data.opted_out_at, "\n".join(e.data.channels))
        for e in events
        if isinstance(e.data, LeadConsent)
    ]
    if rows:
        await (await driver(conn)).execute(
            """
            insert into outreach.consents (lead_id, time, source, id, basis, opted_out_at, channels)
            select lead_id, time, source, id, basis, opted_out_at, string_to_array(channels, E'\\n')
            from unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::timestamptz[],
                        $7::text[]) as t(lead_id, time, source, id, basis, opted_out_at, channels)
            on conflict do nothing
            """,
            *zip(*rows, strict=True),
        )


async def _erase(conn: AsyncConnection, events: Sequence[Event]) -> None:
    """Delete what is held of those of these leads that are erased, now or before.

    The keys are destroyed here, too: a database restored from before the erasure has them again, and this event.
    """
    connection = await driver(conn)
    leads = sorted({event.subject for event in events})
    erased = [
        row["lead_id"]
        for row in await connection.fetch(
            "select lead_id from outreach.leads where lead_id = any($1::text[]) and erased_at is not null", leads
        )
    ]
    if not erased:
        return
    if any(isinstance(event.data, LeadErased) for event in events):
        await lead_keys.destroy(conn, erased)
        await dead_letters.forget(conn, SCHEMA, erased)
        await forget_leads(conn, erased)
    await connection.execute("delete from outreach.observations where lead_id = any($1::text[])", erased)
    await connection.execute("delete from outreach.consents where lead_id = any($1::text[])", erased)


async def consents_of(conn: AsyncConnection, lead_ids: Sequence[str]) -> list[Consent]:
    """All that was told of contacting these leads."""
    rows: list[Any] = await (await driver(conn)).fetch(
        """
        select time, source, id, basis, opted_out_at, channels from outreach.consents
        where lead_id = any($1::text[])
        """,
        list(lead_ids),
    )
    return [
        Consent((row["time"], row["source"], row["id"]), row["basis"], row["opted_out_at"], tuple(row["channels"]))
        for row in rows
    ]
