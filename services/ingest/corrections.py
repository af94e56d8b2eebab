"""Corrections: each goes the way of what it corrects; one that comes first waits for it.

A correction takes lead and key of the event it corrects. When that is not known yet, and the sender named no lead that
is known, it is kept in `waiting_corrections`, and the identity that it waits for is kept as awaited. Whoever stores
that identity releases the correction in the same transaction. The row of the awaited identity is where the two meet:
one of them finds it taken or locked by the other, so neither can miss the other, however they run side by side.
"""

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from services.ingest import identities
from services.ingest.activities import replacement_errors
from services.ingest.identities import Key, Known
from services.ingest.items import Activity, Outcome
from services.ingest.leads import Found, add_terms, resolve
from services.ingest.tables import Connection
from shared.events import Correction, Event, decode_data, encode_data
from shared.mistakes import FieldError
from shared.one_statement import apply


class Recorded(NamedTuple):
    """`placed`: corrections whose key is known, by identity; others may wait for them in turn."""

    outcomes: list[Outcome]
    events: list[Event]
    placed: dict[Key, Known]


async def record(
    db: Connection, items: Sequence[Activity], awaited: Collection[Key], recorded_at: datetime
) -> Recorded:
    """Store new corrections; those without a key yet begin to wait. `awaited`: which of them others wait for."""
    targets = await identities.look_up(db, {_target(item) for item in items})
    known = {identity: target for identity, target in targets.items() if not target.is_awaited}
    found = await _leads_of(db, items, recorded_at)
    counts_as = await _survivors(db, {target.key for target in known.values() if target.key} if found else ())
    outcomes: dict[int, Outcome] = {}
    placed: dict[Key, Known] = {}
    for at, item in enumerate(items):
        target = known.get(_target(item))
        if errors := _misfits(item, target, found.get(at), counts_as, recorded_at):
            outcomes[at] = Outcome("rejected", item.id, errors=tuple(errors))
        elif (lead := found.get(at)) and lead.lead_id is not None and (target is None or target.key is None):
            outcomes[at] = Outcome("accepted", item.id, lead.answered)
            placed[item.source, item.id] = Known(item.digest, item.name, lead.lead_id, lead.lead_id)
    for at, target in _placed_by(items, [at for at in range(len(items)) if at not in outcomes], placed | known):
        item = items[at]
        outcomes[at] = Outcome("accepted", item.id, target.lead_id)
        placed[item.source, item.id] = Known(item.digest, item.name, target.lead_id, target.key)
    left = [at for at in range(len(items)) if at not in outcomes]
    waiting = [items[at] for at in left]
    outcomes |= {at: Outcome("accepted", items[at].id) for at in left}
    new = placed | {(i.source, i.id): Known(i.digest, i.name, None, None) for i in waiting}
    await apply(db, identities.remembering(new, awaited, recorded_at))
    if waiting:
        missed = {_target(item) for item in waiting} - new.keys()
        await identities.hold(db, missed & targets.keys())
        await identities.expect(db, missed - targets.keys(), recorded_at)
        await _keep(db, waiting)
    events = [
        event_of(item, where.lead_id, where.key or "", recorded_at)
        for item in items
        if (where := placed.get((item.source, item.id)))
    ]
    return Recorded([outcomes[at] for at in range(len(items))], events, placed)


def _placed_by(
    items: Sequence[Activity], left: Sequence[int], known: Mapping[Key, Known]
) -> Iterator[tuple[int, Known]]:
    """Those of `left` that can be placed, by what they correct: something that is known, or one that stands beside it
    and can be placed itself."""
    of_target: dict[Key, list[int]] = {}
    for at in left:
        of_target.setdefault(_target(items[at]), []).append(at)
    found_out = deque(
        (target, known[target]) for target in of_target if target in known and known[target].key is not None
    )
    while found_out:
        target, where = found_out.popleft()
        for at in of_target.pop(target, ()):
            yield at, where
            found_out.append(((items[at].source, items[at].id), where))


async def release(db: Connection, arrived: dict[Key, Known], recorded_at: datetime) -> list[Event]:
    """Events of the corrections that waited for what has arrived, and of those that waited for these."""
    released: list[Event] = []
    while arrived:
        rows = await db.fetch(
            """
            with freed as (
                delete from ingest.waiting_corrections w
                using unnest($1::text[], $2::text[], $3::text[], $4::text[]) as a(source, id, lead_id, key)
                where w.corrects_source = a.source and w.corrects_id = a.id
                returning w.*, a.lead_id, a.key
            ), placed as (
                update ingest.events e set lead_id = f.lead_id, key = f.key from freed f
                where (e.source, e.id) = (f.source, f.id) returning e.digest, e.name, e.source, e.id
            )
            select f.*, p.digest, p.name from freed f join placed p using (source, id)
            """,
            [source for source, _ in arrived],
            [id_ for _, id_ in arrived],
            [known.lead_id for known in arrived.values()],
            [known.key for known in arrived.values()],
        )
        released += [
            Event(
                id=row["id"],
                source=row["source"],
                name=row["name"],
                time=row["time"],
                subject=row["lead_id"] or "",
                key=row["key"],
                recorded_at=recorded_at,
                data=decode_data(row["name"], row["data"]),
                traceparent=row["traceparent"],
            )
            for row in rows
        ]
        arrived = {(r["source"], r["id"]): Known(r["digest"], r["name"], r["lead_id"], r["key"]) for r in rows}
    return released


def event_of(item: Activity, lead_id: str | None, key: str, recorded_at: datetime) -> Event:
    """The event that tells of an activity or a correction."""
    return Event(
        id=item.id,
        source=item.source,
        name=item.name,
        time=item.time,
        subject=lead_id or "",
        key=key,
        recorded_at=recorded_at,
        data=item.data,
        traceparent=item.traceparent,
    )


def _target(item: Activity) -> Key:
    assert isinstance(item.data, Correction)  # noqa: S101 - the type's name was checked when it was read
    return (item.data.corrects.source, item.data.corrects.id)


async def _leads_of(db: Connection, items: Sequence[Activity], recorded_at: datetime) -> dict[int, Found]:
    """The leads that senders named; a correction makes none known: what it is about may never have been."""
    asked = {at: msgspec.structs.replace(item.whom, create=False) for at, item in enumerate(items) if item.whom}
    found = dict(zip(asked, await resolve(db, list(asked.values()), recorded_at), strict=True)) if asked else {}
    terms = [(f.lead_id, term) for at, f in found.items() if f.lead_id and not f.erased for term in asked[at].terms]
    await add_terms(db, terms)
    return found


async def _survivors(db: Connection, lead_ids: Collection[str]) -> dict[str, str]:
    """Whom those of these leads count as that were merged into another one."""
    if not lead_ids:
        return {}
    rows = await db.fetch(
        "select lead_id, merged_into from ingest.leads where lead_id = any($1::text[]) and merged_into is not null",
        list(lead_ids),
    )
    return {row["lead_id"]: row["merged_into"] for row in rows}


def _misfits(
    item: Activity, target: Known | None, lead: Found | None, counts_as: Mapping[str, str], now: datetime
) -> list[FieldError]:
    """counts_as: the survivor of each merged lead; who corrects may know only that one."""
    if target is None:
        return []
    if lead is not None and target.key is not None and lead.answered != counts_as.get(target.key, target.key):
        return [FieldError("/lead_id", "what is corrected belongs to another lead; leave the lead out")]
    if isinstance(item.data, Correction) and item.data.data is not None:
        data = {name: msgspec.json.decode(raw) for name, raw in item.data.data.items()}
        return replacement_errors(target.name, data, now)
    return []


async def _keep(db: Connection, waiting: Sequence[Activity]) -> None:
    await db.execute(
        """
        insert into ingest.waiting_corrections (source, id, corrects_source, corrects_id, time, data, traceparent)
        select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::bytea[], $7::text[])
        """,
        [item.source for item in waiting],
        [item.id for item in waiting],
        [_target(item)[0] for item in waiting],
        [_target(item)[1] for item in waiting],
        [item.time for item in waiting],
        [encode_data(item.data) for item in waiting],
        [item.traceparent for item in waiting],
    )
