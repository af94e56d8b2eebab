"""Numbers as they were known at a time: made anew from the events recorded by then, beside the live ones."""

import secrets
from collections.abc import AsyncIterator
from datetime import datetime

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from services.metrics import store
from services.metrics.contributions import contributions
from services.metrics.contributions.facts import Contributions
from services.metrics.contributions.rules import Rules
from services.metrics.contributions.truth import by_target, truths
from shared.events import Event

FETCH = 5_000
CELLS_IN_MEMORY = 200_000


async def cells_known_at(
    engine: AsyncEngine, conn: asyncpg.Connection, rules: Rules, known_at: datetime
) -> tuple[str, int]:
    """A table of cells that lasts as long as the transaction, and how many events it is made from."""
    # A name of its own each time: statements prepared for an earlier table of the same name would be stale.
    table = f"known_{secrets.token_hex(8)}"
    await conn.execute("set local statement_timeout = 0")
    await conn.execute(f"create temporary table {table} (like metrics.cells including all) on commit drop")
    events = await _Recomputation(engine, conn, rules, table, known_at).run()
    return table, events


class _Recomputation:
    """From the events that were recorded by `recorded_by`, into the table `cells`."""

    def __init__(
        self, engine: AsyncEngine, conn: asyncpg.Connection, rules: Rules, cells: str, recorded_by: datetime
    ) -> None:
        self._engine = engine
        self._conn = conn
        self._rules = rules
        self._cells = cells
        self._recorded_by = recorded_by
        self._ids = store.DimensionIds()
        self._change = Contributions()

    async def run(self) -> int:
        """The number of events gone through."""
        corrections = by_target(await store.all_corrections(self._conn, self._recorded_by))
        done = 0
        async for events in self._by_group():
            _, found = contributions(truths(events, corrections), self._rules)
            self._change.add_sum(found)
            done += len(events)
            if len(self._change) > CELLS_IN_MEMORY:
                await self._flush()
        await self._flush()
        return done

    async def _flush(self) -> None:
        await store.ensure_dimensions(self._engine, self._ids, self._change)
        await store.add_cells(self._conn, self._cells, self._change, self._ids)
        self._change = Contributions()

    async def _by_group(self) -> AsyncIterator[list[Event]]:
        """The events of every group."""
        group, events = "", list[Event]()
        rows = self._conn.cursor(
            f"""
            select {store.EVENT_COLUMNS} from metrics.events e where lead <> '' and recorded_at <= $1
            order by lead
            """,  # noqa: S608 - ours
            self._recorded_by,
            prefetch=FETCH,
        )
        async for row in rows:
            if row["lead"] != group and events:
                yield events
                events = []
            group = row["lead"]
            events.append(store.event_of(row))
        if events:
            yield events
