"""The SQL of the fold: events, lead digests, dimensions, cells and counters. Always sets of rows, never single ones."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

import asyncpg
import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from services.metrics.contributions.facts import Contributions, Dimensions
from services.metrics.contributions.lead import LeadState
from services.metrics.contributions.truth import IdentityKey
from shared.config.team import Team
from shared.db import driver, transaction
from shared.events import Correction, Event, decode_data

Connection = asyncpg.Connection

WORLD_LOCK = 0x7461_7375_6B69_01
"""Advisory lock: shared by batches that touch only their own leads, exclusive for those that reach beyond."""

CounterKey = tuple[int, str, tuple[str, ...]]
"""(shard, name, label values) of a Prometheus counter."""

_pack = msgspec.msgpack.Encoder(order="deterministic").encode
_unpack_state = msgspec.msgpack.Decoder(LeadState).decode


class StoredLead(NamedTuple):
    """A lead's digest as it was stored; `packed` is b"" when nothing was."""

    shard: int
    packed: bytes

    def state(self) -> LeadState:
        """A fresh copy of the digest."""
        return _unpack_state(self.packed) if self.packed else LeadState()


async def lock_world(conn: asyncpg.Connection, exclusive: bool) -> None:
    """Hold the world lock until the transaction ends."""
    function = "pg_advisory_xact_lock" if exclusive else "pg_advisory_xact_lock_shared"
    await conn.execute(f"select {function}($1)", WORLD_LOCK)


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
        [e.subject for _, e, _, _ in rows],
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


async def all_corrections(conn: asyncpg.Connection) -> list[Event]:
    """Every correction there is."""
    rows = await conn.fetch("select * from metrics.events where corrects_source is not null")
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


async def load_leads(conn: asyncpg.Connection, shards: Mapping[str, int]) -> dict[str, StoredLead]:
    """The leads' digests, locked until the transaction ends; `shards` gives the home of leads not known yet.

    Rows are made and locked in one order by everybody, so that transactions wait for one another without deadlock.
    """
    names = sorted(shards)
    rows = await conn.fetch(
        "select lead, shard, state from metrics.leads where lead = any($1::text[]) order by lead for update", names
    )
    if len(rows) < len(names):
        await conn.execute(
            """
            insert into metrics.leads (lead, shard, state)
            select * from unnest($1::text[], $2::smallint[], array_fill(''::bytea, array[$3::int]))
            on conflict (lead) do nothing
            """,
            names,
            [shards[name] for name in names],
            len(names),
        )
        rows = await conn.fetch(
            "select lead, shard, state from metrics.leads where lead = any($1::text[]) order by lead for update", names
        )
    return {row["lead"]: StoredLead(row["shard"], row["state"]) for row in rows}


async def save_leads(conn: asyncpg.Connection, states: Mapping[str, LeadState]) -> None:
    """Write the digests of leads that `load_leads` has locked."""
    await conn.execute(
        """
        update metrics.leads set state = new.state
        from unnest($1::text[], $2::bytea[]) as new(lead, state) where leads.lead = new.lead
        """,
        list(states),
        [_pack(state) for state in states.values()],
    )


async def insert_leads(conn: asyncpg.Connection, leads: Mapping[str, tuple[int, LeadState]]) -> None:
    """Write (shard, digest) of leads that are not there yet."""
    await conn.execute(
        "insert into metrics.leads (lead, shard, state) select * from unnest($1::text[], $2::smallint[], $3::bytea[])",
        list(leads),
        [shard for shard, _ in leads.values()],
        [_pack(state) for _, state in leads.values()],
    )


class DimensionIds:
    """Ids of dimension rows, remembered. Rows are made in a transaction of their own, so a remembered id is there."""

    def __init__(self) -> None:
        self._ids: dict[Dimensions, int] = {}

    def missing(self, wanted: Iterable[Dimensions]) -> list[Dimensions]:
        """Those that are not remembered yet."""
        return [d for d in dict.fromkeys(wanted) if d not in self._ids]

    async def make(self, conn: asyncpg.Connection, missing: Sequence[Dimensions]) -> None:
        """Find or make the rows; to be committed before an id is used."""
        keys = [_key(d) for d in missing]
        columns = [list(column) for column in zip(*missing, strict=True)]
        names = ", ".join(Dimensions._fields)
        arrays = ", ".join(f"${n}::text[]" for n in range(1, len(columns) + 1))
        await conn.execute(
            f"""
            insert into metrics.dimensions ({names}, key)
            select * from unnest({arrays}, ${len(columns) + 1}::bytea[]) on conflict (key) do nothing
            """,  # noqa: S608 (the names are the fields of our own tuple)
            *columns,
            keys,
        )
        rows = await conn.fetch("select id, key from metrics.dimensions where key = any($1::bytea[])", keys)
        ids = {row["key"]: row["id"] for row in rows}
        self._ids |= {d: ids[key] for d, key in zip(missing, keys, strict=True)}

    def __getitem__(self, dimensions: Dimensions) -> int:
        return self._ids[dimensions]


def _key(dimensions: Dimensions) -> bytes:
    return hashlib.blake2b(_pack(dimensions), digest_size=16).digest()


async def ensure_dimensions(engine: AsyncEngine, ids: DimensionIds, changes: Iterable[Contributions]) -> None:
    """Have an id for the dimensions of all changes."""
    missing = ids.missing(fact.dimensions for change in changes for fact, _ in change)
    if missing:
        async with transaction(engine) as conn:
            await ids.make(await driver(conn), missing)


async def add_cells(conn: asyncpg.Connection, shard: int, change: Contributions, ids: DimensionIds) -> None:
    """Add a change to the cells of one shard."""
    rows: list[tuple[date, int, int, int, int, int]] = sorted(
        (fact.day, ids[fact.dimensions], fact.hour, fact.value, amount.n, amount.total) for fact, amount in change
    )
    days, dimensions, hours, values, ns, totals = zip(*rows, strict=True)
    await conn.execute(
        """
        insert into metrics.cells as held (day, dimensions, hour, value, shard, n, total)
        select day, dimensions, hour, value, $7, n, total
        from unnest($1::date[], $2::int[], $3::smallint[], $4::bigint[], $5::bigint[], $6::numeric[])
             as new(day, dimensions, hour, value, n, total)
        on conflict (day, dimensions, hour, value, shard)
        do update set n = held.n + excluded.n, total = held.total + excluded.total
        """,
        days,
        dimensions,
        hours,
        values,
        ns,
        totals,
        shard,
    )


async def add_counters(conn: asyncpg.Connection, counts: Mapping[CounterKey, int]) -> None:
    """Add to counters."""
    rows = sorted((name, labels, shard, n) for (shard, name, labels), n in counts.items())
    if not rows:
        return
    names, labels, shards, ns = zip(*rows, strict=True)
    await conn.execute(
        """
        insert into metrics.counters as held (name, labels, shard, n)
        select * from unnest($1::text[], $2::text[], $3::smallint[], $4::bigint[])
        on conflict (name, labels, shard) do update set n = held.n + excluded.n
        """,
        names,
        [msgspec.json.encode(list(values)).decode() for values in labels],
        shards,
        ns,
    )


async def counters(conn: asyncpg.Connection) -> list[tuple[str, str, int]]:
    """(name, labels as JSON, value) of every counter, over all shards."""
    rows = await conn.fetch("select name, labels, sum(n)::bigint as n from metrics.counters group by name, labels")
    return [(row["name"], row["labels"], row["n"]) for row in rows]


async def as_of(conn: asyncpg.Connection) -> tuple[int, dict[str, int]]:
    """Distinct events taken in, and next offset per `<topic>/<partition>`."""
    rows = await conn.fetch(
        "select topic, partition, next_offset, processed from metrics.positions order by topic, partition"
    )
    return sum(r["processed"] for r in rows), {f"{r['topic']}/{r['partition']}": r["next_offset"] for r in rows}


async def state_number(conn: asyncpg.Connection) -> int:
    """A number that changes whenever a batch was taken in or the numbers were made anew."""
    number: int = await conn.fetchval(
        """
        select (select coalesce(sum(next_offset), 0) from metrics.positions)::bigint
             + (select coalesce(sum(value::bigint), 0) from metrics.meta where name = 'rebuilds')::bigint * 4294967296
        """
    )
    return number


async def set_membership(conn: asyncpg.Connection, team: Team) -> None:
    """Replace the rows by which queries cut teams: who is in which team from which day to which, both inclusive."""
    await conn.execute("lock table metrics.membership in share row exclusive mode")
    await conn.execute("delete from metrics.membership")
    await conn.executemany(
        "insert into metrics.membership (rep, team, from_day, to_day) values ($1, $2, $3, $4)",
        [(m.id, m.team, m.from_, m.to) for m in team.members],
    )


async def get_meta(conn: asyncpg.Connection, name: str) -> str | None:
    """A remembered word about the numbers."""
    value: str | None = await conn.fetchval("select value from metrics.meta where name = $1", name)
    return value


async def set_meta(conn: asyncpg.Connection, name: str, value: str) -> None:
    """Remember a word about the numbers."""
    await conn.execute(
        "insert into metrics.meta values ($1, $2) on conflict (name) do update set value = excluded.value", name, value
    )
