"""What ingest learns from the log: the stage of each lead, which handoff decides, and what others write there."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest import elsewhere
from shared.clock import Clock
from shared.consume import Fresh, Received, SeenTable
from shared.db import driver
from shared.eventlog.port import EventLog
from shared.events import ACTIVITIES, HANDOFFS, StageChanged

GROUP: Final = "ingest"


def topics_of(log: EventLog) -> tuple[str, ...]:
    """What ingest reads: activities only where others may write them, since it knows its own."""
    return (HANDOFFS,) if log.by_key else (HANDOFFS, ACTIVITIES)


class Stages(SeenTable):
    """Keeps the latest stage of each lead: the greatest in (cycle, time, place in stages.yaml), whatever the order of
    arrival. Of two stages entered at one moment of a cycle the further one is the later."""

    def __init__(self, stages: Sequence[str]) -> None:
        super().__init__("ingest")
        self._rank = {stage: rank for rank, stage in enumerate(stages)}

    async def handle(self, conn: AsyncConnection, received: Sequence[Received]) -> None:
        """Take stage changes; other events of the topic mean nothing here."""
        latest: dict[str, tuple[int, datetime, int, str]] = {}
        for item in received:
            event, data = item.event, item.event.data
            if isinstance(data, StageChanged):
                told = (data.cycle, event.time, self._rank.get(data.to, -1), data.to)
                latest[event.subject] = max(latest.get(event.subject, told), told)
        if not latest:
            return
        db = await driver(conn)
        await db.execute(
            """
            with told as (
                select * from unnest($1::text[], $2::int[], $3::timestamptz[], $4::int[], $5::text[])
                    as t(lead_id, cycle, at, rank, stage)
            ), locked as (
                select t.* from told t join ingest.leads l using (lead_id) order by lead_id for no key update of l
            )
            update ingest.leads l set stage = t.stage, stage_cycle = t.cycle, stage_at = t.at, stage_rank = t.rank
            from locked t where l.lead_id = t.lead_id
                and (t.cycle, t.at, t.rank) > (l.stage_cycle, coalesce(l.stage_at, '-infinity'), l.stage_rank)
            """,
            list(latest),
            *([told[n] for told in latest.values()] for n in range(4)),
        )


class Learning:
    """The handler of ingest's consumer: stages by `Stages`, and activities of others (`elsewhere`), whose identities
    are kept with those that were posted."""

    def __init__(self, stages: Stages, clock: Clock, personal: frozenset[str]) -> None:
        self._stages = stages
        self._clock = clock
        self._personal = personal

    async def fresh(self, conn: AsyncConnection, received: Sequence[Received]) -> Fresh:
        """Of activities none is called a duplicate: nearly all of them were told by ingest itself."""
        stages, activities = _divided(received)
        if not activities:
            return await self._stages.fresh(conn, stages)
        told = await self._stages.fresh(conn, stages) if stages else Fresh((), (), ())
        return Fresh([*told.new, *activities], told.duplicates, told.conflicts)

    async def handle(self, conn: AsyncConnection, received: Sequence[Received]) -> None:
        """Take both."""
        stages, activities = _divided(received)
        if stages:
            await self._stages.handle(conn, stages)
        items = [item for told in activities if (item := elsewhere.activity_of(told)) is not None]
        if items:
            await elsewhere.learn(conn, items, self._clock.now(), self._personal)


def _divided(received: Sequence[Received]) -> tuple[list[Received], list[Received]]:
    """Events of handoff, and activities."""
    stages = [item for item in received if item.record.topic == HANDOFFS]
    return stages, [item for item in received if item.record.topic == ACTIVITIES]
