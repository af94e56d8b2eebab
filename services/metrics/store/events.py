"""Every event ever taken, and which of them corrects which."""

from collections.abc import AsyncIterator, Collection, Iterable
from datetime import datetime
from typing import NamedTuple

import asyncpg

from services.metrics.contributions.truth import IdentityKey
from services.metrics.contributions.units import unit_of
from services.metrics.store.staging import new_load, stage
from shared.events import Correction, Event, data_of, decode_data
from shared.inbox import Received


async def stage_events(conn: asyncpg.Connection, received: Iterable[Received]) -> int:
    """Have events ready to be stored in one order for all writers; their load."""
    load = new_load()
    rows = [
        (
            load, e.source, e.id, e.name, e.time, unit_of(e), e.subject, record.partition, e.recorded_at,
            data_of(record), *(_target(e) or _NOTHING),
        )
        for record, e in received
    ]  # fmt: skip
    rows.sort()
    await stage(conn, "incoming_events", rows)
    return load


async def store_events(conn: asyncpg.Connection, load: int) -> set[IdentityKey]:
    """Store what was staged, each with the group of its unit; the identities that were there already."""
    known = await conn.fetch(
        """
        with stored as (
            insert into metrics.events
              (source, id, name, time, lead, subject, shard, recorded_at, data, corrects_source, corrects_id)
            select i.source, i.id, i.name, i.time, coalesce(g.name, i.unit), i.subject, i.shard, i.recorded_at, i.data,
                   i.corrects_source, i.corrects_id
            from incoming_events i left join metrics.groups g on g.unit = i.unit where i.load = $1
            on conflict (source, id) do nothing
            returning source, id
        )
        select source, id from incoming_events i
        where load = $1 and not exists (select from stored s where s.source = i.source and s.id = i.id)
        """,
        load,
    )
    return {(row["source"], row["id"]) for row in known}


_NOTHING = (None, None)

EVENT_COLUMNS = """e.source, e.id, e.name, e.time, e.lead, e.subject, e.shard, e.recorded_at, e.data,
            e.corrects_source, e.corrects_id"""
"""What is read of an event. Named, as everywhere: a statement with `*` fails when a newer release adds a column."""


def _target(event: Event) -> IdentityKey | None:
    data = event.data
    return (data.corrects.source, data.corrects.id) if type(data) is Correction else None


async def stored_events(conn: asyncpg.Connection, identities: Collection[IdentityKey]) -> dict[IdentityKey, Event]:
    """Those of these events that are stored."""
    rows = await conn.fetch(
        f"""
        select {EVENT_COLUMNS} from unnest($1::text[], $2::text[]) as asked(source, id)
        join metrics.events e using (source, id)
        """,  # noqa: S608 - ours
        [i[0] for i in identities],
        [i[1] for i in identities],
    )
    return {(row["source"], row["id"]): event_of(row) for row in rows}


async def corrections_of(conn: asyncpg.Connection, identities: Collection[IdentityKey]) -> list[Event]:
    """All stored corrections of these events, and the corrections of those, and so on."""
    found: dict[IdentityKey, Event] = {}
    asked = set(identities)
    while asked:
        rows = await conn.fetch(
            f"""
            select {EVENT_COLUMNS} from unnest($1::text[], $2::text[]) as asked(source, id)
            join metrics.events e on e.corrects_source = asked.source and e.corrects_id = asked.id
            """,  # noqa: S608 - ours
            [i[0] for i in asked],
            [i[1] for i in asked],
        )
        fresh = [event for row in rows if (event := event_of(row)).identity not in found]
        found |= {event.identity: event for event in fresh}
        asked = {event.identity for event in fresh}
    return list(found.values())


async def all_corrections(conn: asyncpg.Connection, recorded_by: datetime) -> list[Event]:
    """Every correction that was recorded by a time."""
    rows = await conn.fetch(
        f"select {EVENT_COLUMNS} from metrics.events e where corrects_source is not null and recorded_at <= $1",  # noqa: S608
        recorded_by,
    )
    return [event_of(row) for row in rows]


class Stored(NamedTuple):
    """A stored event, the group that it is counted with, and its shard."""

    event: Event
    group: str
    shard: int


async def roots_of(conn: asyncpg.Connection, corrections: Iterable[Event]) -> list[Stored]:
    """The events that the corrections finally concern, as far as those events are here."""
    roots: list[Stored] = []
    asked = {target for c in corrections if (target := _target(c))}
    seen: set[IdentityKey] = set()
    while asked:
        seen |= asked
        rows = await conn.fetch(
            f"""
            select {EVENT_COLUMNS} from unnest($1::text[], $2::text[]) as asked(source, id)
            join metrics.events e using (source, id)
            """,  # noqa: S608 - ours
            [i[0] for i in asked],
            [i[1] for i in asked],
        )
        roots += [_stored(row) for row in rows if row["corrects_source"] is None and row["lead"]]
        asked = {(r["corrects_source"], r["corrects_id"]) for r in rows if r["corrects_source"] is not None} - seen
    return roots


async def awaited(conn: asyncpg.Connection) -> list[Stored]:
    """The stored events that were staged in this transaction and that a stored correction is about."""
    rows = await conn.fetch(
        f"""
        with awaited as materialized (
            select distinct i.source, i.id from incoming_events i
            join metrics.events c on c.corrects_source = i.source and c.corrects_id = i.id
        )
        select {EVENT_COLUMNS} from awaited join metrics.events e using (source, id)
        where e.lead <> '' and e.corrects_source is null
        """,  # noqa: S608 - ours
    )
    return [_stored(row) for row in rows]


def _stored(row: asyncpg.Record) -> Stored:
    return Stored(event_of(row), row["lead"], row["shard"])


def event_of(row: asyncpg.Record) -> Event:
    """A stored event."""
    return Event(
        id=row["id"],
        source=row["source"],
        name=row["name"],
        time=row["time"],
        subject=row["subject"],
        key=row["subject"],
        recorded_at=row["recorded_at"],
        data=decode_data(row["name"], row["data"]),
    )


async def history(conn: asyncpg.Connection, groups: Collection[str]) -> dict[str, list[Event]]:
    """All stored events of each group, corrections among them."""
    rows = await conn.fetch(
        f"select {EVENT_COLUMNS} from metrics.events e where lead = any($1::text[])",  # noqa: S608 - ours
        list(groups),
    )
    found: dict[str, list[Event]] = {group: [] for group in groups}
    for row in rows:
        found[row["lead"]].append(event_of(row))
    return found


async def groups_from(
    conn: asyncpg.Connection, names: Collection[str] | None, first: str, limit: int, *, inclusive: bool
) -> list[str]:
    """The next groups, in order, that have events of these names (None: of any)."""
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


async def groups_up_to(conn: asyncpg.Connection, above: str, events: int) -> str | None:
    """The group that the n-th event after the groups up to `above` belongs to, in order of groups; None without any."""
    last: str | None = await conn.fetchval(
        """
        select max(lead) from (
            select lead from metrics.events where lead > $1 and lead <> '' order by lead limit $2
        ) as next
        """,
        above,
        events,
    )
    return last


class Told(NamedTuple):
    """All events of some groups (corrections among them), by group, and the shard of each group."""

    events: dict[str, list[Event]]
    shards: dict[str, int]


async def told_between(conn: asyncpg.Connection, above: str, last: str) -> Told:
    """The groups after one up to another, that one too."""
    rows = await conn.fetch(
        f"select {EVENT_COLUMNS} from metrics.events e where lead > $1 and lead <= $2 order by lead, shard",  # noqa: S608
        above,
        last,
    )
    found = Told({}, {})
    for row in rows:
        found.events.setdefault(row["lead"], []).append(event_of(row))
        found.shards.setdefault(row["lead"], row["shard"])
    return found


async def tying_events(conn: asyncpg.Connection, names: Collection[str], size: int) -> AsyncIterator[list[Event]]:
    """All corrections, and all events of these names; some at a time."""
    batch: list[Event] = []
    async for row in conn.cursor(
        f"select {EVENT_COLUMNS} from metrics.events e "  # noqa: S608 - ours
        "where corrects_source is not null or name = any($1::text[])",
        list(names),
        prefetch=size,
    ):
        batch.append(event_of(row))
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
