"""What is known of leads: observations and activities, stored so that neither order nor repetition can matter."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from services.handoff import merges
from services.handoff.corrections import Fact
from services.handoff.kinds import kind_of
from services.handoff.outcomes import Deal, deals
from services.handoff.recount import recount
from services.handoff.tables import SCHEMA
from shared import lead_keys
from shared.consume import Received
from shared.db import driver
from shared.events import Correction, Event, Identity, LeadCreated, decode_data, encode_data
from shared.lead_observations import LeadObservations
from shared.sealing import unseal, unsealed_data

HISTORY = ("call", "touch", "content-used", "appointment", "opportunity", "contract")
"""The activities that belong to a lead's history."""
_CORRECTIONS_LOCK = 0x636F_7272_6563  # "correc"

_observations = LeadObservations(SCHEMA)
observations_of = _observations.of


async def take(conn: AsyncConnection, received: Sequence[Received]) -> list[str]:
    """Store new events. Returns the leads whose facts they change, in order, survivors in the place of merged ones.

    Their rows are locked until the transaction ends.

    An activity may come before the lead it belongs to; the lead is known once `lead-created` has come.
    """
    of_leads = [r for r in received if r.event.subject]
    await _meet(conn, alone=any(r.event.name == "correction" or merges.is_told(r.event) for r in received))
    touched = set(await _touch(conn, of_leads))
    await _add_external_ids(conn, [r.event for r in of_leads])
    await _observations.add(conn, [r.event for r in of_leads])
    activities = [r.event for r in of_leads if r.event.name in HISTORY]
    corrections = [r.event for r in received if r.event.name == "correction"]
    await _add_activities(conn, activities)
    await _add_corrections(conn, corrections)
    changed = await recount(conn, [Identity(*e.identity) for e in activities], corrections)
    changed |= touched | await merges.take(conn, [r.event for r in of_leads])
    counting = await merges.counting(conn, changed)
    await lock(conn, counting - touched)
    return sorted(counting)


async def _meet(conn: AsyncConnection, *, alone: bool) -> None:
    """A correction or a merge may come in one shard and what it is about in another: were both in flight, each would
    miss the other. So a batch with one of them runs alone (docs/decisions/0003)."""
    how = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
    await (await driver(conn)).execute(f"select {how}($1)", _CORRECTIONS_LOCK)


async def lock(conn: AsyncConnection, lead_ids: Iterable[str]) -> set[str]:
    """Lock the rows of these leads, in one order for all, so that nobody waits in a ring. Returns those that exist."""
    wanted = sorted(lead_ids)
    if not wanted:
        return set()
    rows = await (await driver(conn)).fetch(
        "select lead_id from handoff.leads where lead_id = any($1::text[]) order by lead_id for update", wanted
    )
    return {row["lead_id"] for row in rows}


async def known(conn: AsyncConnection, lead_ids: Sequence[str]) -> list[str]:
    """Those of these leads that ingest has told of, and that were not erased, in order."""
    rows = await (await driver(conn)).fetch(
        """
        select lead_id from handoff.leads
        where lead_id = any($1::text[]) and known_at is not null and erased_at is null order by lead_id
        """,
        lead_ids,
    )
    return [row["lead_id"] for row in rows]


async def external_ids_of(conn: AsyncConnection, of: Mapping[str, str]) -> Mapping[str, list[str]]:
    """Under which ids other systems know leads, in order; of as for observations_of."""
    rows = await (await driver(conn)).fetch(
        """
        select lead_id, external_ids from handoff.leads
        where lead_id = any($1::text[]) and external_ids is not null order by lead_id
        """,
        list(of),
    )
    keys = await lead_keys.read(conn, (row["lead_id"] for row in rows))
    found: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        lead_id = row["lead_id"]
        found[of[lead_id]] += [unseal(value, keys.get(lead_id), lead_id) for value in row["external_ids"]]
    return found


async def history_of(
    conn: AsyncConnection, lead_id: str, limit: int, kinds: Collection[str] | None = None
) -> list[Fact]:
    """The activities of a lead and of those merged into it, as they count now, newest first.

    kinds: of these alone.
    """
    rows = await (await driver(conn)).fetch(
        f"""
        select a.* from ({merges.MEMBERS}) as member cross join lateral (
            select lead_id, source, id, name, at, held::text from handoff.activities
            where lead_id = member.lead_id and counts {"" if kinds is None else "and kind = any($3::text[])"}
            order by at desc, source desc, id desc limit $2
        ) as a order by at desc, source desc, id desc limit $2
        """,  # noqa: S608 - our own text
        lead_id,
        limit,
        *([] if kinds is None else [list(kinds)]),
    )
    keys = await lead_keys.read(conn, (row["lead_id"] for row in rows))
    return [read_fact(row, keys.get(row["lead_id"])) for row in rows]


async def told_of(conn: AsyncConnection, lead_id: str, kinds: Collection[str]) -> list[Fact]:
    """All activities of some kinds of a lead and of those merged into it, as they count now, in no order."""
    rows = await (await driver(conn)).fetch(
        f"""
        select lead_id, source, id, name, at, held::text from handoff.activities
        where {merges.OF_MEMBERS} and kind = any($2::text[]) and counts
        """,  # noqa: S608 - our own text
        lead_id,
        list(kinds),
    )
    keys = await lead_keys.read(conn, (row["lead_id"] for row in rows))
    return [read_fact(row, keys.get(row["lead_id"])) for row in rows]


async def deals_of(conn: AsyncConnection, of: Mapping[str, str]) -> Mapping[str, list[Deal]]:
    """The opportunities of leads as they stand, none for a lead without any; of as for observations_of."""
    rows = await (await driver(conn)).fetch(
        """
        select lead_id, source, id, name, at, held::text from handoff.activities
        where lead_id = any($1::text[]) and name = 'opportunity' and counts
        """,
        list(of),
    )
    facts: dict[str, list[Fact]] = defaultdict(list)
    for row in rows:
        facts[of[row["lead_id"]]].append(read_fact(row, None))
    return defaultdict(list, {survivor: deals(told) for survivor, told in facts.items()})


def read_fact(row: Any, key: bytes | None) -> Fact:
    data = decode_data(row["name"], row["held"].encode())
    return Fact(row["source"], row["id"], row["name"], row["at"], unsealed_data(data, key, row["lead_id"]))


class _Touch(NamedTuple):
    shard: int
    known_at: datetime | None
    events: int
    last_event_at: datetime
    kinds: frozenset[str]


async def _touch(conn: AsyncConnection, received: Sequence[Received]) -> list[str]:
    by_lead: dict[str, _Touch] = {}
    for record, event in received:
        seen = by_lead.get(event.subject) or _Touch(record.partition, None, 0, event.time, frozenset())
        by_lead[event.subject] = _Touch(
            seen.shard,
            event.time if event.name == "lead-created" else seen.known_at,
            seen.events + 1,
            max(seen.last_event_at, event.time),
            seen.kinds | {kind_of(event.name, event.data)} if event.name in HISTORY else seen.kinds,
        )
    if not by_lead:
        return []
    ids = sorted(by_lead)
    # The order of insertion is the order of locking.
    await (await driver(conn)).execute(
        """
        insert into handoff.leads as l (lead_id, shard, known_at, events, last_event_at, kinds)
        select lead_id, shard, known_at, events, last_event_at, string_to_array(kinds, ',')
        from unnest($1::text[], $2::int[], $3::timestamptz[], $4::bigint[], $5::timestamptz[], $6::text[])
             as t(lead_id, shard, known_at, events, last_event_at, kinds)
        order by lead_id
        on conflict (lead_id) do update set
            known_at = coalesce(l.known_at, excluded.known_at),
            events = l.events + excluded.events,
            last_event_at = greatest(l.last_event_at, excluded.last_event_at),
            kinds = case when l.kinds @> excluded.kinds then l.kinds
                         else array(select distinct unnest(l.kinds || excluded.kinds)) end
        """,
        ids,
        *zip(*(by_lead[i][:-1] for i in ids), strict=True),
        [",".join(sorted(by_lead[i].kinds)) for i in ids],
    )
    return ids


async def _add_external_ids(conn: AsyncConnection, events: Sequence[Event]) -> None:
    """Keep under which ids other systems know leads, sealed as they come."""
    told = [(e.subject, e.data.external_ids) for e in events if isinstance(e.data, LeadCreated) and e.data.external_ids]
    if told:
        await (await driver(conn)).executemany(
            "update handoff.leads set external_ids = $2 where lead_id = $1", sorted(told)
        )


async def _add_activities(conn: AsyncConnection, events: Sequence[Event]) -> None:
    rows = []
    for e in events:
        data = encode_data(e.data).decode()
        kind = kind_of(e.name, e.data)
        rows.append((e.source, e.id, e.subject, e.name, e.time, e.recorded_at, data, True, e.time, data, kind))
    await _insert(
        conn,
        "activities (source, id, lead_id, name, time, recorded_at, data, counts, at, held, kind)",
        "text text text text timestamptz timestamptz json bool timestamptz json text",
        rows,
    )


async def _add_corrections(conn: AsyncConnection, events: Sequence[Event]) -> None:
    rows = [
        (e.source, e.id, e.subject, e.time, e.data.corrects.source, e.data.corrects.id, encode_data(e.data).decode())
        for e in events
        if isinstance(e.data, Correction)
    ]
    await _insert(
        conn,
        "corrections (source, id, lead_id, time, corrects_source, corrects_id, data)",
        "text text text timestamptz text text json",
        rows,
    )


async def _insert(conn: AsyncConnection, into: str, types: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Insert rows that are not there yet, in one statement."""
    if not rows:
        return
    arrays = ", ".join(f"${n}::{type_}[]" for n, type_ in enumerate(types.split(), 1))
    await (await driver(conn)).execute(
        f"insert into handoff.{into} select * from unnest({arrays}) on conflict do nothing",  # noqa: S608 - ours
        *zip(*rows, strict=True),
    )
