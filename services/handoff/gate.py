"""Takes leads through the gate of `stages.py`: reads their facts, writes the entries, tells the log."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from services.handoff.emit import emit, happened
from services.handoff.facts import observations_of
from services.handoff.kinds import counts
from services.handoff.merges import members
from services.handoff.stages import BECAME_KNOWN, RECYCLED, Entry, Facts, Ladder, Moment, Place, advance
from shared.conditions import Condition
from shared.db import driver
from shared.events import Event, StageChanged
from shared.fields import FieldRegistry


async def through_gate(
    conn: AsyncConnection, ladder: Ladder, registry: FieldRegistry, lead_ids: Sequence[str], now: datetime
) -> None:
    """Enter every stage that the facts of these leads, and of those merged into them, bring. None of them is merged
    itself; the caller holds their rows."""
    rows = await (await driver(conn)).fetch(
        """
        select l.lead_id, known_at, stage, cycle, cycle_since, stage_at, array(
            select unnest(l.kinds)
            union select unnest(m.kinds) from handoff.leads m where m.merged_into = l.lead_id) as kinds
        from handoff.leads l
        where l.lead_id = any($1::text[]) and known_at is not null and stage is distinct from $2
        order by l.lead_id
        """,
        lead_ids,
        ladder.last,
    )
    if not rows:
        return
    of = await members(conn, [row["lead_id"] for row in rows])
    observations = await observations_of(conn, of)
    moments = await _moments(conn, ladder, rows, of)
    entries: list[tuple[str, Entry]] = []
    for row in rows:
        lead_id = row["lead_id"]
        if row["stage"] is None:
            first = Entry(ladder.first, None, row["cycle"], row["known_at"], BECAME_KNOWN)
            entries.append((lead_id, first))
            place = Place(first.stage, first.cycle, None, first.at)
        else:
            place = Place(row["stage"], row["cycle"], row["cycle_since"], row["stage_at"])
        said = observations[lead_id]
        facts = Facts(said.own, moments.get(lead_id, {}), said.merged)
        entries += [(lead_id, entry) for entry in advance(ladder, registry, place, facts)]
    await _enter(conn, entries, now)


class Recycling(NamedTuple):
    """Why a lead begins anew and who wants it so. `request`: the identity of the keyed request that said so."""

    reason: str
    by: str
    request: str | None


async def recycle(conn: AsyncConnection, ladder: Ladder, lead_id: str, wish: Recycling, now: datetime) -> None:
    """Begin the lead's next cycle at the first stage, once per request. The caller holds the lead's row."""
    connection = await driver(conn)
    lead = await connection.fetchrow("select stage, cycle from handoff.leads where lead_id = $1", lead_id)
    done = await connection.fetchval(
        "select exists (select from handoff.stage_entries where lead_id = $1 and request = $2)", lead_id, wish.request
    )
    if lead is None or done:
        return
    entry = Entry(ladder.first, lead["stage"], lead["cycle"] + 1, now, RECYCLED, wish.by, wish.reason)
    await _enter(conn, [(lead_id, entry)], now, wish.request)
    await connection.execute("update handoff.leads set cycle_since = $2 where lead_id = $1", lead_id, now)


async def _enter(
    conn: AsyncConnection, entries: Sequence[tuple[str, Entry]], now: datetime, request: str | None = None
) -> None:
    """Record entries, in order. One that is on record already (a stage is entered once a cycle) is passed over."""
    if not entries:
        return
    connection = await driver(conn)
    columns = zip(
        *((i, e.cycle, e.stage, e.from_stage, e.at, now, e.rule, e.by, e.reason) for i, e in entries), strict=True
    )
    recorded = await connection.fetch(
        """
        insert into handoff.stage_entries
            (lead_id, cycle, stage, from_stage, at, recorded_at, rule, by, reason, request)
        select lead_id, cycle, stage, from_stage, at, recorded_at, rule, by, reason, $10
        from unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::text[],
                    $8::text[], $9::text[])
             with ordinality as t(lead_id, cycle, stage, from_stage, at, recorded_at, rule, by, reason, n)
        order by n
        on conflict do nothing returning lead_id, cycle, stage
        """,
        *columns,
        request,
    )
    new = {tuple(row) for row in recorded}
    made = [(lead_id, entry) for lead_id, entry in entries if (lead_id, entry.cycle, entry.stage) in new]
    latest = dict(made)
    await connection.execute(
        """
        update handoff.leads l set stage = t.stage, cycle = t.cycle, stage_at = t.at
        from unnest($1::text[], $2::text[], $3::int[], $4::timestamptz[]) as t(lead_id, stage, cycle, at)
        where l.lead_id = t.lead_id
        """,
        list(latest),
        [entry.stage for entry in latest.values()],
        [entry.cycle for entry in latest.values()],
        [entry.at for entry in latest.values()],
    )
    await emit(conn, [_changed(lead_id, entry, now) for lead_id, entry in made])


def _changed(lead_id: str, entry: Entry, now: datetime) -> Event:
    data = StageChanged(from_=entry.from_stage, to=entry.stage, cycle=entry.cycle, rule=entry.rule)
    return happened("stage-changed", lead_id, f"stage:{lead_id}:{entry.cycle}:{entry.stage}", data, entry.at, now)


async def _moments(
    conn: AsyncConnection, ladder: Ladder, rows: Sequence[Any], of: Mapping[str, str]
) -> dict[str, dict[Condition, list[Moment]]]:
    """What the conditions on events beyond each lead's stage count in its cycle: of each the earliest, at least as many
    as it asks for. of: every lead concerned -> which of these it counts as."""
    asked = [(row, c) for row in rows for c in ladder.event_conditions(row["stage"])]
    most = max((condition.count or 1 for _, condition in asked), default=0)
    together: dict[str, list[str]] = defaultdict(list)
    for member, survivor in of.items():
        together[survivor].append(member)
    wanted = {
        (row["lead_id"], kind): (row["cycle_since"], most)
        for row, condition in asked
        for kind in (_HANDOFFS if condition.event == "handoff" else row["kinds"])
        if counts(condition, kind)
    }
    if not wanted:
        return {}
    asked_of = [(*about, *bounds, member) for about, bounds in wanted.items() for member in together[about[0]]]
    found = await (await driver(conn)).fetch(_MOMENTS, *zip(*asked_of, strict=True))
    by_kind: dict[tuple[str, str], list[Moment]] = defaultdict(list)
    for row in found:
        by_kind[row["lead_id"], row["kind"]].append(Moment(row["at"], row["who"]))
    moments: dict[str, dict[Condition, list[Moment]]] = defaultdict(dict)
    for row, condition in asked:
        kinds = _HANDOFFS if condition.event == "handoff" else row["kinds"]
        matching = [by_kind[row["lead_id"], kind] for kind in kinds if counts(condition, kind)]
        moments[row["lead_id"]][condition] = sorted(
            (moment for one in matching for moment in one), key=lambda m: (m.at, m.who or "")
        )
    return moments


_HANDOFFS = tuple(f"handoff||||{status}" for status in ("created", "accepted", "returned", "overdue"))
"""The kinds of what happens with handoffs; they stand in a table of their own."""

_MOMENTS = """
    select l.lead_id, l.kind, e.at, e.who
    from unnest($1::text[], $2::text[], $3::timestamptz[], $4::int[], $5::text[])
         as l(lead_id, kind, since, wanted, member)
    cross join lateral (
        (select a.at, a.held ->> 'rep' as who from handoff.activities a
         where a.lead_id = l.member and a.kind = l.kind and a.counts and (l.since is null or a.at >= l.since)
         order by a.at limit l.wanted)
        union all
        (select h.created_at, h.rep from handoff.handoffs h
         where l.kind = 'handoff||||created' and h.lead_id = l.member and (l.since is null or h.created_at >= l.since)
         order by h.number limit l.wanted)
        union all
        (select h.decided_at, h.sales_rep from handoff.handoffs h
         where l.kind = 'handoff||||' || h.status and h.lead_id = l.member and h.decided_at is not null
           and (l.since is null or h.decided_at >= l.since)
         order by h.number limit l.wanted)
        union all
        (select h.overdue_at, null from handoff.handoffs h
         where l.kind = 'handoff||||overdue' and h.lead_id = l.member and h.overdue_at is not null
           and (l.since is null or h.overdue_at >= l.since)
         order by h.overdue_at limit l.wanted)
    ) e
"""


class StageEntry(msgspec.Struct, frozen=True, rename={"from_stage": "from"}):
    """A stage that a lead entered: when, by what rule, through whom; the reason of a recycle."""

    stage: str
    from_stage: str | None
    cycle: int
    entered_at: datetime
    rule: str
    by: str | None
    reason: str | None
    number: int


async def history(conn: AsyncConnection, lead_id: str, after: int, limit: int) -> list[StageEntry]:
    """The lead's entries in the order in which they were made, after a number."""
    rows = await (await driver(conn)).fetch(
        """
        select stage, from_stage, cycle, at, rule, by, reason, number from handoff.stage_entries
        where lead_id = $1 and number > $2 order by number limit $3
        """,
        lead_id,
        after,
        limit,
    )
    return [StageEntry(*row.values()) for row in rows]
