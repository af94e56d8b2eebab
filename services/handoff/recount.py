"""Applies corrections to stored activities, whichever of the two came first."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.handoff.corrections import Fact, effective
from services.handoff.kinds import kind_of
from shared import lead_keys
from shared.db import driver
from shared.events import Correction, Data, Event, Identity, decode_data, encode_data
from shared.sealing import has_personal


async def recount(conn: AsyncConnection, arrived: Sequence[Identity], corrections: Sequence[Event]) -> set[str]:
    """Apply what is known to the activities that arrived and to those that these corrections are about.

    Returns the leads changed.
    """
    concerned = set(arrived) | await _targets(conn, corrections)
    known = await _corrections_of(conn, concerned)
    corrected = [identity for identity in concerned if identity in known]
    if not corrected:
        return set()
    connection = await driver(conn)
    rows = await connection.fetch(
        """
        select a.source, a.id, a.name, a.time, a.data::text from handoff.activities a
        join unnest($1::text[], $2::text[]) as t(source, id) using (source, id)
        """,
        *_columns(corrected),
    )
    results = []
    for row in rows:
        sent = Fact(row["source"], row["id"], row["name"], row["time"], decode_data(row["name"], row["data"].encode()))
        now = effective(sent, known)
        held = now or sent
        data = encode_data(held.data).decode()
        results.append((sent.source, sent.id, now is not None, held.time, data, kind_of(held.name, held.data)))
    if not results:
        return set()
    changed = await connection.fetch(
        """
        update handoff.activities a set counts = t.counts, at = t.at, held = t.held, kind = t.kind
        from unnest($1::text[], $2::text[], $3::bool[], $4::timestamptz[], $5::json[], $6::text[])
             as t(source, id, counts, at, held, kind)
        where a.source = t.source and a.id = t.id
        returning a.lead_id, a.kind
        """,
        *zip(*results, strict=True),
    )
    await connection.executemany(
        "update handoff.leads set kinds = kinds || $2 where lead_id = $1 and not kinds @> array[$2]",
        sorted({(row["lead_id"], row["kind"]) for row in changed}),
    )
    return {row["lead_id"] for row in changed}


async def _targets(conn: AsyncConnection, corrections: Sequence[Event]) -> set[Identity]:
    """What these corrections are about; for a correction of a correction also what that one is about, and so on."""
    found: set[Identity] = set()
    frontier = {e.data.corrects for e in corrections if isinstance(e.data, Correction)}
    while frontier := frontier - found:
        found |= frontier
        rows = await (await driver(conn)).fetch(
            """
            select corrects_source, corrects_id from handoff.corrections
            join unnest($1::text[], $2::text[]) as t(source, id) using (source, id)
            """,
            *_columns(frontier),
        )
        frontier = {Identity(row["corrects_source"], row["corrects_id"]) for row in rows}
    return found


async def _corrections_of(conn: AsyncConnection, identities: set[Identity]) -> dict[Identity, list[Fact]]:
    """All corrections of these events, with the corrections of those."""
    found: dict[Identity, list[Fact]] = defaultdict(list)
    asked: set[Identity] = set()
    while identities := identities - asked:
        asked |= identities
        rows = await (await driver(conn)).fetch(
            """
            select c.source, c.id, c.time, c.data::text, c.lead_id, a.lead_id as of_lead from handoff.corrections c
            join unnest($1::text[], $2::text[]) as t(source, id)
                 on (c.corrects_source, c.corrects_id) = (t.source, t.id)
            left join handoff.activities a on (a.source, a.id) = (t.source, t.id)
            """,
            *_columns(identities),
        )
        made = [Fact(row["source"], row["id"], "correction", row["time"], await _said(conn, row)) for row in rows]
        for fact in made:
            if isinstance(fact.data, Correction):
                found[fact.data.corrects].append(fact)
        identities = {fact.identity for fact in made}
    return found


async def _said(conn: AsyncConnection, row: Any) -> Data:
    """What a correction says, as what it corrects is sealed: who was first to tell of it may have named the survivor of
    the lead that the activity belongs to, or another lead."""
    data = decode_data("correction", row["data"].encode())
    if row["of_lead"] in (None, row["lead_id"]) or not has_personal(data, ()):
        return data
    return await lead_keys.resealed(conn, data, row["lead_id"], row["of_lead"])


def _columns(identities: Iterable[Identity]) -> tuple[list[str], list[str]]:
    listed = list(identities)
    return [i.source for i in listed], [i.id for i in listed]
