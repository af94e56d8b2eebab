"""How leads flow through the stages: how many go on, how long that takes, and where they drop off."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from services.handoff.words import StageInWords
from shared.db import driver
from shared.words import Words


class Days(msgspec.Struct, frozen=True):
    """How many days (of 86,400 s) lay between entering a stage and leaving it for the next, of `n` leads. `p90` is
    interpolated as PostgreSQL's `percentile_cont` does it; null where n is 0."""

    n: int
    mean: float | None
    median: float | None
    p90: float | None


class StageFlow(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the leads that entered a stage. A lead that is recycled and comes again counts again.

    `went_on`: to which stage how many went next; `recycled`: began anew from here; `still_there`: neither.
    `drop_off_rate`: recycled / entered. Rates are null where nobody entered.
    """

    stage: str
    label: Words
    entered: int
    went_on: dict[str, int]
    recycled: int
    still_there: int
    went_on_rate: float | None
    drop_off_rate: float | None
    days: Days


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """The stages in their order, of leads that entered them in a period."""

    first: datetime | None
    last: datetime | None
    items: list[StageFlow]


async def flow(
    conn: AsyncConnection, stages: Sequence[StageInWords], first: datetime | None, last: datetime | None
) -> Flow:
    """What became of entries made from `first` to `last` (no limit where None). Merged and erased leads are their
    survivors, and themselves."""
    connection = await driver(conn)
    rows = await connection.fetch(_ENTERED, first, last)
    onward = await connection.fetch(_WENT_ON, first, last)
    by_stage = {row["stage"]: row for row in rows}
    went: dict[str, dict[str, int]] = {}
    for row in onward:
        went.setdefault(row["stage"], {})[row["next_stage"]] = row["count"]
    items = [_line(stage, by_stage.get(stage.id), went.get(stage.id, {})) for stage in stages]
    return Flow(first=first, last=last, items=items)


_STEPS = """
    with steps as (
        select e.stage, e.at,
               lead(e.stage) over here as next_stage, lead(e.at) over here as next_at,
               exists (select from handoff.stage_entries later
                       where later.lead_id = e.lead_id and later.cycle = e.cycle + 1) as recycled
        from handoff.stage_entries e join handoff.leads l using (lead_id)
        where l.merged_into is null
        window here as (partition by e.lead_id, e.cycle order by e.number)
    ), asked as (
        select * from steps where coalesce(at >= $1, true) and coalesce(at <= $2, true)
    )
"""
_ENTERED = f"""
    {_STEPS}
    select stage, count(*) as entered, count(next_stage) as went_on,
           count(*) filter (where next_stage is null and recycled) as recycled,
           avg(days) as mean, percentile_cont(0.5) within group (order by days) as median,
           percentile_cont(0.9) within group (order by days) as p90
    from (select *, extract(epoch from next_at - at)::float8 / 86400 as days from asked) as measured
    group by stage
"""  # noqa: S608 - our own text
_WENT_ON = f"""
    {_STEPS}
    select stage, next_stage, count(*) from asked where next_stage is not null group by stage, next_stage
    order by stage, next_stage
"""  # noqa: S608 - our own text


def _line(stage: StageInWords, row: Any, went_on: dict[str, int]) -> StageFlow:
    if row is None:
        row = {"entered": 0, "went_on": 0, "recycled": 0, "mean": None, "median": None, "p90": None}
    entered, gone, recycled = row["entered"], row["went_on"], row["recycled"]
    return StageFlow(
        stage=stage.id,
        label=stage.label,
        entered=entered,
        went_on=went_on,
        recycled=recycled,
        still_there=entered - gone - recycled,
        went_on_rate=gone / entered if entered else None,
        drop_off_rate=recycled / entered if entered else None,
        days=Days(gone, row["mean"], row["median"], row["p90"]),
    )
