"""Makes every number anew from the stored events, beside those that are shown and while events go on coming in.

The set that is not shown is built group after group, in steps of some thousand events. Each step runs alone, in a
transaction of its own: after it the set holds all groups up to one, and from then on consumers keep it up to date as
far as that. The step that finds no group left shows the set, so nobody ever sees a part of it. Whoever else wants a
rebuild meanwhile goes on with the same one; so does the next start, after a process died in the middle.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence

import asyncpg
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.metrics import store
from services.metrics.contributions import contributions
from services.metrics.contributions.facts import Contributions
from services.metrics.contributions.lead import LeadState
from services.metrics.contributions.rules import Rules
from services.metrics.contributions.truth import by_target, truths
from services.metrics.contributions.units import TYING_EVENTS
from services.metrics.fold.grouping import joins_of
from shared.db import driver, transaction
from shared.events import Correction, Event

EVENTS_A_STEP = 5_000

_log = structlog.get_logger(__name__)


async def rebuild(engine: AsyncEngine, rules: Rules, *, only_if_stale: bool = False) -> int | None:
    """Recompute all cells and digests; the number of events gone through, None when nothing was stale.

    `only_if_stale`: only when the numbers that are shown were made by other rules than these. Raises
    DatabaseUnavailable; what was built by then is there for the next call.
    """
    started, rebuilding = time.monotonic(), Rebuild(engine, rules)
    if not await rebuilding.begin(only_if_stale=only_if_stale):
        return None
    while not await rebuilding.step():
        pass
    async with transaction(engine) as conn:
        shown, _ = await store.sides(await driver(conn))
    _log.info("rebuilt", events=shown.events, seconds=round(time.monotonic() - started, 3))
    return shown.events


class Rebuild:
    """A rebuild by some rules, step by step."""

    def __init__(self, engine: AsyncEngine, rules: Rules, events_a_step: int = EVENTS_A_STEP) -> None:
        self._engine = engine
        self._rules = rules
        self._events_a_step = events_a_step
        self._ids = store.DimensionIds()

    async def begin(self, *, only_if_stale: bool = False) -> bool:
        """Begin, or go on with what others have begun; False when only_if_stale and nothing is."""
        async with transaction(self._engine) as conn:
            raw = await driver(conn)
            await _take_time(raw)
            shown, _ = await store.sides(raw)
            stale = shown.fingerprint != self._rules.fingerprint
            if only_if_stale and not stale:
                return False
            if stale:  # by these rules events may tie what by the earlier ones stood alone
                await store.lock_world(raw, exclusive=True)
                await _group_anew(raw)
            _, other = await store.hold_sides(raw)
            if not (other.building and other.fingerprint == self._rules.fingerprint):
                await store.begin_side(raw, other, self._rules.fingerprint)
            return True

    async def step(self) -> bool:
        """Build some more; True when the set is whole and shown, by this step or by somebody else's."""
        async with transaction(self._engine) as conn:
            raw = await driver(conn)
            await _take_time(raw)
            await store.lock_world(raw, exclusive=True)
            _, side = await store.sides(raw)
            if not side.building or side.fingerprint != self._rules.fingerprint:
                return True
            last = await store.groups_up_to(raw, side.reached, self._events_a_step)
            if last is None:
                await store.show_side(raw, side)
                await store.count_rebuild(raw)
                await store.note_anew(raw)
                return True
            told = await store.told_between(raw, side.reached, last)
            await self._put_in(raw, side, told)
            await store.advance_side(raw, side, last, sum(map(len, told.values())))
            return False

    async def _put_in(
        self, conn: asyncpg.Connection, side: store.Side, histories: Mapping[str, Sequence[Event]]
    ) -> None:
        identities = [event.identity for events in histories.values() for event in events]
        corrections = by_target(await store.corrections_of(conn, identities))
        grouped = await store.members_of(conn, histories)
        change = Contributions()
        leads: dict[str, LeadState] = {}

        def count() -> None:
            for group, events in histories.items():
                counted, found = contributions(truths(events, corrections), self._rules)
                change.add_sum(found)
                if group not in grouped:
                    leads[group] = counted.states.get(group, LeadState())

        await asyncio.to_thread(count)  # others are answered meanwhile
        await store.ensure_dimensions(self._engine, self._ids, change)
        await store.add_cells(conn, side.cells, change, self._ids)
        await store.save_leads(conn, side.leads, leads)


async def _take_time(conn: asyncpg.Connection) -> None:
    for timeout in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        await conn.execute(f"set local {timeout} = 0")


async def _group_anew(conn: asyncpg.Connection) -> None:
    """Make the groups that the stored events make by the rules of now."""
    async for events in store.tying_events(conn, TYING_EVENTS, EVENTS_A_STEP):
        corrected = await store.roots_of(conn, (e for e in events if isinstance(e.data, Correction)))
        for join in await joins_of(conn, events, corrected):
            await store.join_groups(conn, join.name, join.units, join.before)
