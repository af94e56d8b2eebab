"""Makes contributions anew from the stored events, group after group, into a table of cells."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import asyncpg
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.metrics import store
from services.metrics.contributions import contributions
from services.metrics.contributions.facts import Contributions
from services.metrics.contributions.lead import LeadState
from services.metrics.contributions.rules import Rules
from services.metrics.contributions.truth import CorrectionsOf, by_target, truths
from shared.events import Event

FETCH = 5_000
CELLS_IN_MEMORY = 200_000

_log = structlog.get_logger(__name__)


class Recomputation:
    """From all stored events, or from those recorded by a time, into `cells`; digests too when `leads` is set."""

    def __init__(
        self,
        engine: AsyncEngine,
        conn: asyncpg.Connection,
        rules: Rules,
        *,
        cells: str,
        leads: bool = False,
        recorded_by: datetime | None = None,
    ) -> None:
        self._engine = engine
        self._conn = conn
        self._rules = rules
        self._cells = cells
        self._keeps_leads = leads
        self._recorded_by = recorded_by
        self._ids = store.DimensionIds()
        self._changes: dict[int, Contributions] = {}
        self._leads: dict[str, tuple[int, LeadState]] = {}
        self._grouped: set[str] = set()

    async def run(self) -> int:
        """The number of events gone through."""
        corrections = by_target(await store.all_corrections(self._conn, self._recorded_by))
        self._grouped = await store.group_names(self._conn)
        done = 0
        async for group, shard, events in self._by_group():
            self._count(group, shard, events, corrections)
            done += len(events)
            if sum(len(c) for c in self._changes.values()) + len(self._leads) > CELLS_IN_MEMORY:
                await self._flush()
                _log.info("recomputing", events=done)
        await self._flush()
        return done

    def _count(self, group: str, shard: int, events: Sequence[Event], corrections: CorrectionsOf) -> None:
        counted, found = contributions(truths(events, corrections), self._rules)
        self._changes.setdefault(shard, Contributions()).add_sum(found)
        if self._keeps_leads and group not in self._grouped:
            self._leads[group] = (shard, counted.states.get(group, LeadState()))

    async def _flush(self) -> None:
        await store.ensure_dimensions(self._engine, self._ids, self._changes.values())
        for shard, change in sorted(self._changes.items()):
            if len(change):
                await store.add_cells(self._conn, shard, change, self._ids, self._cells)
        if self._leads:
            await store.insert_leads(self._conn, self._leads)
        self._changes.clear()
        self._leads.clear()

    async def _by_group(self) -> AsyncIterator[tuple[str, int, list[Event]]]:
        """Name, shard and events of every group."""
        group, shard, events = "", 0, list[Event]()
        rows = self._conn.cursor(
            """
            select * from metrics.events where lead <> '' and ($1::timestamptz is null or recorded_at <= $1)
            order by lead, shard
            """,
            self._recorded_by,
            prefetch=FETCH,
        )
        async for row in rows:
            if row["lead"] != group and events:
                yield group, shard, events
                events = []
            if not events:
                group, shard = row["lead"], row["shard"]
            events.append(store.event_of(row))
        if events:
            yield group, shard, events
