"""Who is the lead of each item, decided in the transaction; leads that are not known yet are made."""

import zlib
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec
import uuid_utils

from services.ingest.items import Term, Whom
from services.ingest.joining import Joining
from services.ingest.tables import Connection
from shared.identity import IdentityKey
from shared.one_statement import Change, Question, ask
from shared.text_arrays import columns, text_array, text_rows, texts

_STRIPES = 1024
"""Identity keys share this many locks: PostgreSQL's table of locks is small and a group may hold thousands of keys."""
_STRIPE_BASE = 0x1EAD_0000_0000


class Found(msgspec.Struct):
    """The lead of one item: none when it is unknown and may not be made; `created` for the item that made it.

    What is said of a merged lead stays with it; `survivor` is the lead that the sender is told of then.
    """

    lead_id: str | None
    created: bool = False
    erased: bool = False
    survivor: str | None = None

    @property
    def answered(self) -> str | None:
        """The id for the sender."""
        return self.survivor or self.lead_id


async def resolve(
    db: Connection, asked: Sequence[Whom], recorded_at: datetime, known: dict[str, Found] | None = None
) -> list[Found]:
    """The lead of each of `asked`, in order, new leads where needed and allowed. `known`: what is known of their ids,
    where that was asked already.

    The first key that names a lead decides; further keys that nobody has become that lead's. Keys that name another
    lead stay there: two leads for one person are for a human to merge.
    """
    if known is None:
        known = await by_id(db, {w.lead_id for w in asked if w.lead_id is not None})
    holders = await _holders(db, {key for w in asked for key in w.keys})
    missing = {key for w in asked for key in w.keys if key not in holders}
    if missing:
        await _lock(db, missing)
        holders |= await _holders(db, missing)
    joining = Joining({key for key in missing if key not in holders})
    if joining and (told := {f.lead_id for f in (*known.values(), *holders.values()) if f.lead_id is not None}):
        joining.know(await _terms(db, told, joining))
    found, new_leads, new_keys = _decide(asked, known, holders, joining)
    if new_leads:
        made = await _insert_leads(db, new_leads, recorded_at)
        for item in found:
            item.created = item.created and item.lead_id in made  # another replica may have been first
    if new_keys:
        await _insert_keys(db, new_keys)
    return found


def _decide(
    asked: Sequence[Whom], known: dict[str, Found], holders: dict[IdentityKey, Found], joining: Joining
) -> tuple[list[Found], list[str], dict[IdentityKey, str]]:
    found: list[Found] = []
    new_leads: list[str] = []
    new_keys: dict[IdentityKey, str] = {}
    for whom in asked:
        if whom.lead_id is not None:
            lead = known.get(whom.lead_id)
        else:
            lead = next((holders[key] for key in whom.keys if key in holders), None)
        created = lead is None and whom.create
        if created:
            lead = Found(whom.lead_id or str(uuid_utils.uuid7()))
            new_leads.append(lead.lead_id or "")
            known[lead.lead_id or ""] = lead
        if lead is None or lead.lead_id is None:
            found.append(Found(None))
            continue
        keys = (*whom.keys, *joining.come(lead.lead_id, whom.terms)) if joining else whom.keys
        if keys and not lead.erased:
            fresh = [key for key in keys if key not in holders]
            holders |= dict.fromkeys(fresh, lead)
            new_keys |= dict.fromkeys(fresh, lead.lead_id)
        found.append(Found(lead.lead_id, created=True) if created else lead)
    return found, new_leads, new_keys


async def by_id(db: Connection, lead_ids: set[str]) -> dict[str, Found]:
    """Those of these leads that are known."""
    if not lead_ids:
        return {}
    (rows,) = await ask(db, [question(lead_ids)])
    return known_of(rows)


def question(lead_ids: Collection[str]) -> Question:
    """What is known of the leads of these ids?"""
    return Question(_BY_ID, [texts(lead_ids)])


def known_of(rows: Iterable[Sequence[Any]]) -> dict[str, Found]:
    """The answer to that question; unknown ids are left out."""
    return {lead_id: Found(lead_id, erased=erased, survivor=survivor) for lead_id, survivor, erased in rows}


async def _holders(db: Connection, keys: set[IdentityKey]) -> dict[IdentityKey, Found]:
    if not keys:
        return {}
    rows = await db.fetch(
        f"""
        select k.kind, k.value, {_FOUND} join ingest.lead_keys k on k.lead_id = l.lead_id
        join {text_rows(2)} as asked(kind, value) on (k.kind, k.value) = (asked.kind, asked.value)
        """,
        *columns(keys),
    )
    return {IdentityKey(row["kind"], row["value"]): _found(row) for row in rows}


async def _terms(db: Connection, lead_ids: Collection[str], joining: Joining) -> list[tuple[str, Term]]:
    """The phones and domains of these leads, as far as they join anything."""
    rows = await db.fetch(
        f"""
        select lead_id, kind, value from ingest.lead_terms
        where lead_id = any($3::text[]) and kind in ('phone', 'domain')
            and (kind, value) in (select * from {text_rows(2)})
        """,  # noqa: S608 - our own text
        *columns(joining.terms),
        list(lead_ids),
    )
    return [(row["lead_id"], Term(row["kind"], row["value"])) for row in rows]


_FOUND = """
    l.lead_id, l.merged_into, coalesce(s.erased_at, l.erased_at) is not null as erased
    from ingest.leads l left join ingest.leads s on s.lead_id = l.merged_into
"""
_BY_ID = f"select {_FOUND} where l.lead_id = any({text_array(1)})"


def _found(row: asyncpg.Record) -> Found:
    return Found(row["lead_id"], erased=row["erased"], survivor=row["merged_into"])


async def _lock(db: Connection, keys: Iterable[IdentityKey]) -> None:
    """One at a time may give these keys to a lead. In ascending order, so that no two groups wait for each other."""
    stripes = sorted({_STRIPE_BASE + zlib.crc32("\0".join(key).encode()) % _STRIPES for key in keys})
    await db.execute(
        "select pg_advisory_xact_lock(stripe) from (select unnest($1::bigint[]) as stripe order by 1) as s", stripes
    )


async def _insert_leads(db: Connection, lead_ids: Sequence[str], recorded_at: datetime) -> set[str]:
    rows = await db.fetch(
        f"""
        insert into ingest.leads (lead_id, recorded_at)
        select id, $2::timestamptz from {text_rows(1)} as new(id) order by id
        on conflict do nothing returning lead_id
        """,  # noqa: S608 - our own text
        texts(lead_ids),
        recorded_at,
    )
    return {row["lead_id"] for row in rows}


async def _insert_keys(db: Connection, keys: dict[IdentityKey, str]) -> None:
    await db.execute(
        f"""
        insert into ingest.lead_keys (kind, value, lead_id)
        select * from {text_rows(3)} order by 1, 2 on conflict do nothing
        """,  # noqa: S608 - our own text
        *columns([(*key, lead_id) for key, lead_id in keys.items()]),
    )


class ErasedMeanwhile(Exception):
    """A lead was erased between being found and being written of; repeat the transaction, it will see that."""

    sqlstate = "40001"  # serialization failure, to `shared.db.retried`


async def refuse_erased(db: Connection, lead_ids: Iterable[str]) -> None:
    """To be asked after rows of these leads were stored: those hold the leads' rows, so who erases them now waits, and
    finds what was stored. Raises ErasedMeanwhile."""
    among = f"lead_id = any({text_array(1)}) and erased_at is not null"
    erased = f"select exists (select from ingest.leads where {among})"  # noqa: S608 - our own text
    if await db.fetchval(erased, texts(set(lead_ids))):
        raise ErasedMeanwhile


async def add_terms(db: Connection, terms: Iterable[tuple[str, Term]]) -> None:
    """Have leads be found by these terms; a phone and a domain of a lead, whenever each came, make an identity key."""
    rows = sorted({(lead_id, term.kind, term.value) for lead_id, term in terms})
    if not rows:
        return
    await db.execute(
        f"""
        insert into ingest.lead_terms (lead_id, kind, value)
        select * from {text_rows(3)} on conflict do nothing
        """,  # noqa: S608 - our own text
        *columns(rows),
    )
    joined = [row for row in rows if row[1] in ("phone", "domain")]
    if joined:
        await db.execute(_JOIN, *columns(joined), _JOINED_AT_MOST)


_JOINED_AT_MOST = 50
"""Domains that a phone is joined with, and phones that a domain is: of whoever has more, they are no one person's."""
_JOIN = f"""
with told as (select * from {text_rows(3)} as told(lead_id, kind, value))
insert into ingest.lead_keys (kind, value, lead_id)
select distinct on (2) 'phone_domain', joined.phone || ' ' || joined.domain, joined.lead_id from (
    select told.lead_id, told.value as phone, other.value as domain from told cross join lateral (
        select value from ingest.lead_terms
        where lead_id = told.lead_id and kind = 'domain' order by value limit $4
    ) as other where told.kind = 'phone'
    union all
    select told.lead_id, other.value, told.value from told cross join lateral (
        select value from ingest.lead_terms
        where lead_id = told.lead_id and kind = 'phone' order by value limit $4
    ) as other where told.kind = 'domain'
) as joined order by 2, 3
on conflict do nothing
"""  # noqa: S608 - our own text


Touch = tuple[str, datetime | None, datetime | None, str | None]
"""Lead, its first activity, and since when it has had its latest rep, who is that; both or neither."""


def _both(one: Touch, other: Touch) -> Touch:
    """What two touches of a lead say together."""
    lead_id, first, at, rep = one
    _, first_too, at_too, rep_too = other
    if first is None or (first_too is not None and first_too < first):
        first = first_too
    if at_too is not None and rep_too is not None and (at is None or rep is None or (at_too, rep_too) > (at, rep)):
        at, rep = at_too, rep_too
    return lead_id, first, at, rep


_TOUCH = f"""
    with told as (
        select * from unnest({text_array(1)}, $2::timestamptz[], $3::timestamptz[], {text_array(4)})
            as t(lead_id, first_at, rep_at, rep)
    ), locked as (
        select lead_id, t.first_at, t.rep_at, t.rep from told t join ingest.leads l using (lead_id)
        where t.first_at < coalesce(l.first_activity_at, 'infinity')
           or (t.rep_at, t.rep) > (coalesce(l.rep_at, '-infinity'), coalesce(l.rep, '') collate "C")
        order by lead_id for no key update of l
    )
    update ingest.leads l set
        first_activity_at = least(l.first_activity_at, t.first_at),
        rep_at = greatest(l.rep_at, t.rep_at),
        rep = case when (t.rep_at, t.rep) > (coalesce(l.rep_at, '-infinity'), coalesce(l.rep, '') collate "C")
                   then t.rep else l.rep end
    from locked t where l.lead_id = t.lead_id returning 1
"""  # noqa: S608 - our own text


def touching(told: Sequence[Touch]) -> list[Change]:
    """What keeps each lead's first activity and its latest rep, whatever the order in which they are told."""
    latest: dict[str, Touch] = {}
    for touch in told:
        held = latest.get(touch[0])
        latest[touch[0]] = touch if held is None else _both(held, touch)
    if not latest:
        return []
    _, first, at, rep = zip(*latest.values(), strict=True)
    return [Change(_TOUCH, (texts(latest), first, at, texts(rep)))]
