"""Reads the past of leads for a back-test, a chunk of leads at a time, all as of one moment of the database."""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from services.handoff.backtest.replay import Told
from services.handoff.backtest.report import Handed, Past
from services.handoff.facts import deals_of, external_ids_of
from services.handoff.merges import members
from services.handoff.stages import RECYCLED
from shared import lead_keys
from shared.db import driver
from shared.lead_observations import read_observation
from shared.sealing import unsealed_observation

CHUNK = 2_000
KnownBy = Literal["observed", "recorded"]
"""From when on a fact was known: when it was said, or when it was recorded here (an import tells old things late)."""


async def count_leads(conn: AsyncConnection) -> tuple[int, int]:
    """How many leads there are to look at, and how many were erased."""
    row = await (await driver(conn)).fetchrow(
        f"""
        select count(*) filter (where {_LOOKED_AT}) as known, count(*) filter (where erased_at is not null) as erased
        from handoff.leads
        """  # noqa: S608 - our own text
    )
    return row["known"], row["erased"]


async def pasts(
    conn: AsyncConnection, fields: frozenset[str], personal: frozenset[str], last: datetime, known_by: KnownBy
) -> AsyncIterator[list[Past]]:
    """Every lead by what was known of it by `last`, in chunks.

    fields: those of which it is told what was said; personal: the ids of sealed ones.
    """
    after = ""
    while True:
        rows = await (await driver(conn)).fetch(
            f"""
            select lead_id, known_at from handoff.leads where {_LOOKED_AT} and lead_id > $1 order by lead_id limit $2
            """,  # noqa: S608 - our own text
            after,
            CHUNK,
        )
        if not rows:
            return
        known_at = {row["lead_id"]: row["known_at"] for row in rows}
        lead_ids = list(known_at)
        of = await members(conn, lead_ids)
        told = await _told(conn, of, fields, bool(fields & personal), last, known_by)
        handed, recycled, sold = await _handed(conn, of, last), await _recycled(conn, of), await deals_of(conn, of)
        known_as = await external_ids_of(conn, of)
        since = await _since(conn, of, known_at, known_by)
        found = [Past(i, since[i], told[i], handed[i], recycled[i], sold[i], known_as.get(i, ())) for i in lead_ids]
        yield [past for past in found if past.since <= last or past.handed]
        after = lead_ids[-1]


_LOOKED_AT = "known_at is not null and merged_into is null and erased_at is null"


async def _told(
    conn: AsyncConnection,
    of: Mapping[str, str],
    fields: frozenset[str],
    sealed: bool,
    last: datetime,
    known_by: KnownBy,
) -> Mapping[str, list[Told]]:
    rows = await (await driver(conn)).fetch(
        f"""
        select lead_id, observation_id, field, method, source, observed_at, {known_by}_at as at, value::text, status,
               by, null as quote
        from handoff.observations
        where lead_id = any($1::text[]) and field = any($2::text[]) and {known_by}_at <= $3
        """,  # noqa: S608 - one of two words of ours
        list(of),
        sorted(fields),
        last,
    )
    keys = await lead_keys.read(conn, of) if sealed else {}
    found: dict[str, list[Told]] = defaultdict(list)
    for row in rows:
        said = unsealed_observation(read_observation(row), keys.get(row["lead_id"]), row["lead_id"])
        survivor = of[row["lead_id"]]
        found[survivor].append(Told(row["at"], said, of_merged=row["lead_id"] != survivor))
    return found


async def _since(
    conn: AsyncConnection, of: Mapping[str, str], known_at: Mapping[str, datetime], known_by: KnownBy
) -> Mapping[str, datetime]:
    """Since when there was each lead, whatever the policies look at: since it became known or, by what was said of it,
    before. What was recorded here later was no lead of this installation until then, also where activities alone tell
    of it."""
    rows = await (await driver(conn)).fetch(_FIRST[known_by], list(of))
    first = _by_survivor(of, rows, lambda row: row["at"])
    if known_by == "recorded":
        return {lead_id: min(first[lead_id], default=at) for lead_id, at in known_at.items()}
    return {lead_id: min([at, *first[lead_id]]) for lead_id, at in known_at.items()}


_FIRST: Mapping[KnownBy, str] = {
    "observed": """
        select lead_id, min(observed_at) as at from handoff.observations
        where lead_id = any($1::text[]) group by lead_id
    """,
    "recorded": """
        select lead_id, min(recorded_at) as at from (
            select lead_id, recorded_at from handoff.observations where lead_id = any($1::text[])
            union all
            select lead_id, recorded_at from handoff.activities where lead_id = any($1::text[]) and counts
        ) as facts group by lead_id
    """,
}


async def _handed(conn: AsyncConnection, of: Mapping[str, str], last: datetime) -> Mapping[str, list[Handed]]:
    rows = await (await driver(conn)).fetch(
        """
        select lead_id, created_at, owner, segment, status, decided_at, return_reason from handoff.handoffs
        where lead_id = any($1::text[]) and created_at <= $2 order by number
        """,
        list(of),
        last,
    )
    return _by_survivor(of, rows, lambda row: Handed(*tuple(row)[1:]))


async def _recycled(conn: AsyncConnection, of: Mapping[str, str]) -> Mapping[str, list[datetime]]:
    rows = await (await driver(conn)).fetch(
        "select lead_id, at from handoff.stage_entries where lead_id = any($1::text[]) and rule = $2 order by at",
        list(of),
        RECYCLED,
    )
    return _by_survivor(of, rows, lambda row: row["at"])


def _by_survivor(of: Mapping[str, str], rows: Sequence[Any], read: Any) -> Mapping[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        found[of[row["lead_id"]]].append(read(row))
    return found
