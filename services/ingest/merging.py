"""Leads that are one: merging, undoing it, and which leads might be one.

A merge moves nothing: what was said of a lead stays with it, and what comes by its keys goes to it, while all who look
see the survivor. So an unmerge gives back exactly what each lead had, also what came in between (docs/decisions/0012).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest.items import PRODUCER
from services.ingest.tables import Connection
from services.ingest.tell import Wish, tell
from shared.db import driver
from shared.events import Event, LeadMerged, LeadUnmerged

_LOCK = 0x6D65_7267_65  # "merge": one at a time, so that no two make a ring


class UnknownLead(LookupError):
    """There is no such lead; the argument is its id."""


class ErasedLead(Exception):
    """One of the leads was erased."""


class Ring(Exception):
    """The other lead counts as this one already."""


class NotMerged(Exception):
    """There is nothing to undo."""


async def merge(conn: AsyncConnection, lead_id: str, into: str, wish: Wish) -> str:
    """Have a lead count as another one; the survivor. Merging again what is merged so changes nothing, nor does a
    repeated request, whatever became of the lead since it was done.

    Raises UnknownLead, ErasedLead, Ring.
    """
    db = await driver(conn)
    lead, other = await _held(db, lead_id, into)
    survivor: str = other["merged_into"] or into
    id_ = wish.event_id("lead-merged", lead_id, into)
    if lead["merge_into"] == into or await _is_told(db, id_):
        return survivor
    counts_as_it = f"{_BELOW} select exists (select from below where lead_id = $2)"  # noqa: S608 - our own text
    if await db.fetchval(counts_as_it, lead_id, into):
        raise Ring
    at = await _attach(db, lead, into, survivor, wish.at)
    await _tell(conn, wish.event("lead-merged", lead_id, LeadMerged(into=into), id_=id_, at=at))
    return survivor


async def unmerge(conn: AsyncConnection, lead_id: str, wish: Wish) -> None:
    """Have a lead stand by itself again, with those that were merged into it.

    A repeated request finds what it did before, and that is no mistake. Raises UnknownLead, ErasedLead, NotMerged.
    """
    db = await driver(conn)
    (lead,) = await _held(db, lead_id)
    id_ = wish.event_id("lead-unmerged", lead_id)
    if await _is_told(db, id_):
        return
    if lead["merge_into"] is None:
        raise NotMerged
    at = await _attach(db, lead, None, None, wish.at)
    await _tell(conn, wish.event("lead-unmerged", lead_id, LeadUnmerged(from_=lead["merge_into"]), id_=id_, at=at))


class Duplicate(NamedTuple):
    """Leads that share something which is mostly one person's (kind: email, phone)."""

    kind: str
    value: str
    lead_ids: list[str]


async def duplicates(db: Connection, after: tuple[str, str] | None, limit: int) -> list[Duplicate]:
    """Leads that might be one, in order of what they share, after (kind, value)."""
    rows = await db.fetch(
        """
        select t.kind, t.value, array_agg(distinct coalesce(l.merged_into, l.lead_id)) as lead_ids
        from ingest.lead_terms t join ingest.leads l using (lead_id)
        where t.kind in ('email', 'phone') and l.erased_at is null
          and ($1::text is null or (t.kind, t.value) > ($1, $2))
        group by t.kind, t.value having count(distinct coalesce(l.merged_into, l.lead_id)) > 1
        order by t.kind, t.value limit $3
        """,
        *(after or (None, None)),
        limit,
    )
    return [Duplicate(row["kind"], row["value"], row["lead_ids"]) for row in rows]


_BELOW = """
with recursive below as (
    select $1::text as lead_id
    union
    select l.lead_id from ingest.leads l join below b on l.merge_into = b.lead_id
)"""
"""A lead, what was merged into it, and so on."""


async def hold(db: Connection) -> None:
    """Nobody else changes which leads are one, or erases one of them, until the transaction ends."""
    await db.execute("select pg_advisory_xact_lock($1)", _LOCK)


async def _held(db: Connection, *lead_ids: str) -> Sequence[Any]:
    """The leads' rows; nobody else changes which leads are one until the transaction ends."""
    await hold(db)
    rows = await db.fetch(
        """
        select l.lead_id, l.merge_into, l.merged_into, l.merged_at,
               coalesce(s.erased_at, l.erased_at) is not null as erased
        from ingest.leads l left join ingest.leads s on s.lead_id = l.merged_into where l.lead_id = any($1::text[])
        """,
        list(lead_ids),
    )
    found = {row["lead_id"]: row for row in rows}
    for lead_id in lead_ids:
        if lead_id not in found:
            raise UnknownLead(lead_id)
        if found[lead_id]["erased"]:
            raise ErasedLead
    return [found[lead_id] for lead_id in lead_ids]


async def _attach(db: Connection, lead: Any, into: str | None, survivor: str | None, now: datetime) -> datetime:
    """Write down what a lead was merged into; the time, which is later than that of what was told of it before."""
    before = lead["merged_at"]
    at = now if before is None else max(now, before + timedelta(microseconds=1))
    await db.execute(
        f"""
        {_BELOW}, held as (
            select l.lead_id from ingest.leads l join below using (lead_id) order by 1 for no key update of l
        )
        update ingest.leads l set
            merged_into = case when l.lead_id = $1 then $3 else coalesce($3, $1) end,
            merge_into = case when l.lead_id = $1 then $2 else l.merge_into end,
            merged_at = case when l.lead_id = $1 then $4 else l.merged_at end
        from held where l.lead_id = held.lead_id
        """,  # noqa: S608 - our own text
        lead["lead_id"],
        into,
        survivor,
        at,
    )
    return at


async def _tell(conn: AsyncConnection, event: Event) -> None:
    """Tell the log, and keep that it was told, so that a repeated request is known."""
    await (await driver(conn)).execute(
        "insert into ingest.events (source, id, name, lead_id, key, recorded_at) values ($1, $2, $3, $4, $4, $5)",
        event.source,
        event.id,
        event.name,
        event.subject,
        event.recorded_at,
    )
    await tell(conn, [event], frozenset())


async def _is_told(db: Connection, event_id: str) -> bool:
    statement = "select exists (select from ingest.events where source = $1 and id = $2)"
    return bool(await db.fetchval(statement, PRODUCER, event_id))
