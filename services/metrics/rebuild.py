"""Makes every number anew from the stored events, in one transaction: who asks meanwhile gets the old numbers."""

import time
from collections.abc import AsyncIterator, Sequence

import asyncpg
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.metrics import store
from services.metrics.contributions import contributions
from services.metrics.contributions.facts import Contributions
from services.metrics.contributions.lead import LeadState
from services.metrics.contributions.rules import Rules
from services.metrics.contributions.truth import CorrectionsOf, by_target, truths
from shared.db import driver, transaction
from shared.events import Event

FINGERPRINT = "fold_fingerprint"
REBUILDS = "rebuilds"
FETCH = 5_000
CELLS_IN_MEMORY = 200_000

_log = structlog.get_logger(__name__)


async def rebuild(engine: AsyncEngine, rules: Rules, *, only_if_stale: bool = False) -> int | None:
    """Recompute all cells and digests; the number of events gone through, None when nothing was stale.

    Consumers wait until it is done. `only_if_stale`: only when the numbers were made by other rules than these.
    """
    started = time.monotonic()
    async with transaction(engine) as conn:
        raw = await driver(conn)
        await raw.execute("set local statement_timeout = 0")
        await raw.execute("set local lock_timeout = 0")
        await raw.execute("set local idle_in_transaction_session_timeout = 0")
        await store.lock_world(raw, exclusive=True)
        if only_if_stale and await store.get_meta(raw, FINGERPRINT) == rules.fingerprint:
            return None
        await raw.execute("delete from metrics.cells")
        await raw.execute("delete from metrics.leads")
        events = await _Rebuild(engine, raw, rules).run()
        await store.set_meta(raw, FINGERPRINT, rules.fingerprint)
        await store.set_meta(raw, REBUILDS, str(1 + int(await store.get_meta(raw, REBUILDS) or 0)))
    _log.info("rebuilt", events=events, seconds=round(time.monotonic() - started, 3))
    return events


class _Rebuild:
    def __init__(self, engine: AsyncEngine, conn: asyncpg.Connection, rules: Rules) -> None:
        self._engine = engine
        self._conn = conn
        self._rules = rules
        self._ids = store.DimensionIds()
        self._changes: dict[int, Contributions] = {}
        self._leads: dict[str, tuple[int, LeadState]] = {}

    async def run(self) -> int:
        corrections = by_target(await store.all_corrections(self._conn))
        done = 0
        async for lead, shard, events in _by_lead(self._conn):
            self._count(lead, shard, events, corrections)
            done += len(events)
            if sum(len(c) for c in self._changes.values()) + len(self._leads) > CELLS_IN_MEMORY:
                await self._flush()
                _log.info("rebuilding", events=done)
        await self._flush()
        return done

    def _count(self, lead: str, shard: int, events: Sequence[Event], corrections: CorrectionsOf) -> None:
        state, found = contributions(truths(events, corrections), self._rules)
        self._leads[lead] = (shard, state)
        self._changes.setdefault(shard, Contributions()).add_sum(found)

    async def _flush(self) -> None:
        await store.ensure_dimensions(self._engine, self._ids, self._changes.values())
        for shard, change in sorted(self._changes.items()):
            if len(change):
                await store.add_cells(self._conn, shard, change, self._ids)
        await store.insert_leads(self._conn, self._leads)
        self._changes.clear()
        self._leads.clear()


async def _by_lead(conn: asyncpg.Connection) -> AsyncIterator[tuple[str, int, list[Event]]]:
    """Lead, shard and events of every lead."""
    lead, shard, events = "", 0, list[Event]()
    rows = conn.cursor("select * from metrics.events where lead <> '' order by lead, shard", prefetch=FETCH)
    async for row in rows:
        if row["lead"] != lead and events:
            yield lead, shard, events
            events = []
        if not events:
            lead, shard = row["lead"], row["shard"]
        events.append(store.event_of(row))
    if events:
        yield lead, shard, events
