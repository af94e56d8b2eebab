"""Every event ever taken, and which of them corrects which."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

import asyncpg

from services.metrics.contributions import unit_of
from services.metrics.contributions.truth import IdentityKey
from shared.events import Correction, Event, decode_data


async def insert_events(conn: asyncpg.Connection, rows: Sequence[tuple[int, Event, bytes, bytes]]) -> set[IdentityKey]:
    """Store (shard, event, digest, data) rows; the identities that were new."""
    corrects = [_target(event) for _, event, _, _ in rows]
    new = await conn.fetch(
        """
        insert into metrics.events
          (source, id, digest, name, time, lead, shard, recorded_at, data, corrects_source, corrects_id)
        select * from unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::timestamptz[], $6::text[],
                             $7::smallint[], $8::timestamptz[], $9::bytea[], $10::text[], $11::text[])
        on conflict (source, id) do nothing
        returning source, id
        """,
        [e.source for _, e, _, _ in rows],
        [e.id for _, e, _, _ in rows],
        [digest for _, _, digest, _ in rows],
        [e.name for _, e, _, _ in rows],
        [e.time for _, e, _, _ in rows],
        [unit_of(e) for _, e, _, _ in rows],
        [shard for shard, _, _, _ in rows],
        [e.recorded_at for _, e, _, _ in rows],
        [data for _, _, _, data in rows],
        [c[0] if c else None for c in corrects],
        [c[1] if c else None for c in corrects],
    )
    return {(row["source"], row["id"]) for row in new}


def _target(event: Event) -> IdentityKey | None:
    if isinstance(event.data, Correction):
        return (event.data.corrects.source, event.data.corrects.id)
    return None


async def digests(conn: asyncpg.Connection, identities: Collection[IdentityKey]) -> dict[IdentityKey, bytes]:
    """Stored content digests of identities."""
    rows = await conn.fetch(
        """
        select e.source, e.id, e.digest
        from unnest($1::text[], $2::text[]) as asked(source, id) join metrics.events e using (source, id)
        """,
        [i[0] for i in identities],
        [i[1] for i in identities],
    )
    return {(row["source"], row["id"]): row["digest"] for row in rows}


async def corrections_of(conn: asyncpg.Connection, identities: Collection[IdentityKey]) -> list[Event]:
    """All stored corrections of these events, and the corrections of those, and so on."""
    found: dict[IdentityKey, Event] = {}
    asked = set(identities)
    while asked:
        rows = await conn.fetch(
            """
            select e.* from unnest($1::text[], $2::text[]) as asked(source, id)
            join metrics.events e on e.corrects_source = asked.source and e.corrects_id = asked.id
            """,
            [i[0] for i in asked],
            [i[1] for i in asked],
        )
        fresh = [event for row in rows if (event := event_of(row)).identity not in found]
        found |= {event.identity: event for event in fresh}
        asked = {event.identity for event in fresh}
    return list(found.values())


async def all_corrections(conn: asyncpg.Connection, recorded_by: datetime | None = None) -> list[Event]:
    """Every correction there is, or that was recorded by a time."""
    rows = await conn.fetch(
        """
        select * from metrics.events
        where corrects_source is not null and ($1::timestamptz is null or recorded_at <= $1)
        """,
        recorded_by,
    )
    return [event_of(row) for row in rows]


async def corrected_leads(conn: asyncpg.Connection, corrections: Iterable[Event]) -> dict[str, int]:
    """Lead -> shard of the events that the corrections finally concern, as far as those events are here."""
    leads: dict[str, int] = {}
    asked = {target for c in corrections if (target := _target(c))}
    seen: set[IdentityKey] = set()
    while asked:
        seen |= asked
        rows = await conn.fetch(
            """
            select e.lead, e.shard, e.corrects_source, e.corrects_id
            from unnest($1::text[], $2::text[]) as asked(source, id) join metrics.events e using (source, id)
            """,
            [i[0] for i in asked],
            [i[1] for i in asked],
        )
        leads |= {r["lead"]: r["shard"] for r in rows if r["corrects_source"] is None and r["lead"]}
        asked = {(r["corrects_source"], r["corrects_id"]) for r in rows if r["corrects_source"] is not None} - seen
    return leads


async def leads_with_waiting_corrections(
    conn: asyncpg.Connection, identities: Collection[IdentityKey]
) -> dict[str, int]:
    """Lead -> shard of those of these stored events that a stored correction is about."""
    rows = await conn.fetch(
        """
        select e.lead, e.shard
        from unnest($1::text[], $2::text[]) as asked(source, id)
        join metrics.events c on c.corrects_source = asked.source and c.corrects_id = asked.id
        join metrics.events e on e.source = asked.source and e.id = asked.id
        where e.lead <> '' and e.corrects_source is null
        """,
        [i[0] for i in identities],
        [i[1] for i in identities],
    )
    return {row["lead"]: row["shard"] for row in rows}


def event_of(row: asyncpg.Record) -> Event:
    """A stored event."""
    return Event(
        id=row["id"],
        source=row["source"],
        name=row["name"],
        time=row["time"],
        subject=row["lead"],
        key=row["lead"],
        recorded_at=row["recorded_at"],
        data=decode_data(row["name"], row["data"]),
    )


async def history(conn: asyncpg.Connection, leads: Collection[str]) -> dict[str, list[Event]]:
    """All stored events of each lead, corrections among them."""
    rows = await conn.fetch("select * from metrics.events where lead = any($1::text[])", list(leads))
    found: dict[str, list[Event]] = {lead: [] for lead in leads}
    for row in rows:
        found[row["lead"]].append(event_of(row))
    return found


async def units_from(
    conn: asyncpg.Connection, names: Collection[str] | None, first: str, limit: int, *, inclusive: bool
) -> list[str]:
    """The next units, in order, that have events of these names (None: of any)."""
    rows = await conn.fetch(
        """
        select distinct lead from metrics.events
        where lead <> '' and (lead > $1 or ($4 and lead = $1)) and ($2::text[] is null or name = any($2))
        order by lead limit $3
        """,
        first,
        None if names is None else list(names),
        limit,
        inclusive,
    )
    return [row["lead"] for row in rows]
