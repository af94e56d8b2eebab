"""Every event ever taken, and which of them corrects which."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

import asyncpg

from services.metrics.contributions.truth import IdentityKey
from services.metrics.store.copying import (
    NULL,
    binary_bytes,
    binary_head,
    binary_smallint,
    binary_text,
    binary_time,
    copy_binary,
)
from shared.db import Overtaken
from shared.eventlog.port import Record
from shared.events import Correction, Event, data_of, decode_data
from shared.inbox import Received
from shared.text_arrays import text_array, texts


class Known(NamedTuple):
    """What is stored that concerns some identities: those of events, and those that a correction is about."""

    stored: frozenset[IdentityKey]
    corrected: frozenset[IdentityKey]


async def known_of(conn: asyncpg.Connection, identities: Collection[IdentityKey]) -> Known:
    """Which of the identities are stored, and which of them a stored correction is about."""
    rows = await conn.fetch(
        f"""
        with asked as materialized (select {text_array(1)} as ids)
        select source, id, false as of_correction from metrics.events
        where source = any($2::text[]) and id = any((select ids from asked)::text[])
        union all
        select corrects_source, corrects_id, true from metrics.events
        where corrects_source = any($2::text[]) and corrects_id = any((select ids from asked)::text[])
        """,  # noqa: S608 - our own text
        texts([id_ for _, id_ in identities]),
        sorted({source for source, _ in identities}),
    )
    asked = frozenset(identities)
    found = [((row["source"], row["id"]), row["of_correction"]) for row in rows]
    return Known(
        asked.intersection(identity for identity, of_correction in found if not of_correction),
        asked.intersection(identity for identity, of_correction in found if of_correction),
    )


async def store_events(
    conn: asyncpg.Connection, received: Sequence[Received], units: Sequence[str], groups: Mapping[str, str]
) -> None:
    """Store new events in one order for all writers. `units`: what each is about; `groups`: of those that do not stand
    alone. Raises Overtaken when somebody else has just stored one of the events."""
    rows = sorted(
        (event.id, event.source, _row(record, event, groups.get(unit, unit)))
        for (record, event), unit in zip(received, units, strict=True)
    )
    try:
        await copy_binary(conn, "metrics.events", _STORED, [row for _, _, row in rows])
    except asyncpg.UniqueViolationError as error:
        raise Overtaken(f"an event was stored by somebody else meanwhile: {error}") from error


_STORED = (
    "source", "id", "name", "time", "subject", "lead", "shard", "recorded_at", "data", "corrects_source", "corrects_id",
)  # fmt: skip


def _row(record: Record, event: Event, group: str) -> bytes:
    subject = binary_text(event.subject)
    data = event.data
    return b"".join((
        _FIELDS,
        _few(event.source) if len(event.source) <= _SHORT else binary_text(event.source),
        binary_text(event.id),
        _few(event.name),
        binary_time(event.time),
        subject,
        subject if group == event.subject else binary_text(group),
        binary_smallint(record.partition),
        binary_time(event.recorded_at),
        binary_bytes(data_of(record)),
        binary_text(data.corrects.source) + binary_text(data.corrects.id) if type(data) is Correction else _NOTHING,
    ))  # fmt: skip


_FIELDS = binary_head(len(_STORED))
_NOTHING = NULL + NULL
_few = lru_cache(maxsize=1_000)(binary_text)  # sources and names: few are many events'
_SHORT = 200
"""Characters of what is remembered at most: a source of a megabyte may stand in the log, too."""

EVENT_COLUMNS = """e.source, e.id, e.name, e.time, e.lead, e.subject, e.recorded_at, e.data,
            e.corrects_source, e.corrects_id"""
"""What is read of an event. Named, as everywhere: a statement with `*` fails when a newer release adds a column."""


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
    asked = frozenset(identities)
    while asked:
        rows = await conn.fetch(
            f"""
            select {EVENT_COLUMNS} from metrics.events e
            where corrects_source = any($2::text[]) and corrects_id = any({text_array(1)})
            """,  # noqa: S608 - ours
            texts([id_ for _, id_ in asked]),
            sorted({source for source, _ in asked}),
        )
        told = [event_of(row) for row in rows if (row["corrects_source"], row["corrects_id"]) in asked]
        fresh = {event.identity: event for event in told if event.identity not in found}
        found |= fresh
        asked = frozenset(fresh)
    return list(found.values())


async def all_corrections(conn: asyncpg.Connection, recorded_by: datetime) -> list[Event]:
    """Every correction that was recorded by a time."""
    rows = await conn.fetch(
        f"select {EVENT_COLUMNS} from metrics.events e where corrects_source is not null and recorded_at <= $1",  # noqa: S608
        recorded_by,
    )
    return [event_of(row) for row in rows]


class Stored(NamedTuple):
    """A stored event, and the group that it is counted with."""

    event: Event
    group: str


async def roots_of(
    conn: asyncpg.Connection, corrections: Iterable[Event], others: Iterable[IdentityKey] = ()
) -> list[Stored]:
    """The events that the corrections finally concern, as far as those events are here; and what others are, or finally
    concern."""
    roots: list[Stored] = []
    asked = {(c.data.corrects.source, c.data.corrects.id) for c in corrections if type(c.data) is Correction}
    asked.update(others)
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


def _stored(row: asyncpg.Record) -> Stored:
    return Stored(event_of(row), row["lead"])


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


async def told_between(conn: asyncpg.Connection, above: str, last: str) -> dict[str, list[Event]]:
    """All events (corrections among them) of the groups after one up to another, that one too."""
    rows = await conn.fetch(
        f"select {EVENT_COLUMNS} from metrics.events e where lead > $1 and lead <= $2 order by lead",  # noqa: S608
        above,
        last,
    )
    found: dict[str, list[Event]] = {}
    for row in rows:
        found.setdefault(row["lead"], []).append(event_of(row))
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
