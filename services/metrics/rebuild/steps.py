"""Makes every number anew from the stored events, beside those that are shown and while events go on coming in.

The set that is not shown is built group after group, in steps of some thousand events. Each step runs alone, in a
transaction of its own: after it the set holds all groups up to one, and from then on consumers keep it up to date as
far as that. The step that finds no group left shows the set, so nobody ever sees a part of it. Whoever else wants a
rebuild meanwhile goes on with the same one; so does the next start, after a process died in the middle.
"""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import asyncpg
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.metrics import store
from services.metrics.contributions import contributions
from services.metrics.contributions.facts import Contributions
from services.metrics.contributions.lead import LeadState
from services.metrics.contributions.rules import Rules
from services.metrics.contributions.truth import CorrectionsOf, by_target, truths
from services.metrics.contributions.units import TYING_EVENTS
from services.metrics.fold.grouping import joins_of
from shared.db import driver, transaction
from shared.events import Correction, Event

EVENTS_A_STEP = 20_000
PARTS = 4
"""Of a step, one of which is read and written while the other is counted."""

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
        self._parts = min(PARTS, events_a_step)
        self._events_a_part = events_a_step // self._parts
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
                await store.lock_world(raw)
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
            await store.lock_world(raw)
            _, side = await store.sides(raw)
            if not side.building or side.fingerprint != self._rules.fingerprint:
                return True
            first = await self._read(raw, side.reached)
            if first is None:
                await store.show_side(raw, side)
                await store.count_rebuild(raw)
                await store.note_anew(raw)
                return True
            last, events = await self._put_in(raw, side, first)
            await store.advance_side(raw, side, last, events)
            return False

    async def _put_in(self, conn: asyncpg.Connection, side: store.Side, first: "_Part") -> tuple[str, int]:
        """Put in a part and those after it, as many as make a step: the last group, and how many events there were.

        PostgreSQL reads one and writes another while the one between them is counted.
        """
        part, events, parts = first, 0, 1
        counting = self._count(part)
        try:
            while True:
                following = await self._read(conn, part.last) if parts < self._parts else None
                counted = await counting
                if following is not None:
                    counting = self._count(following)
                await store.ensure_dimensions(self._engine, self._ids, counted.change)
                await store.add_cells(conn, side.cells, counted.change, self._ids)
                await store.save_leads(conn, side.leads, counted.leads)
                events += sum(map(len, part.histories.values()))
                if following is None:
                    return part.last, events
                part, parts = following, parts + 1
        finally:
            counting.cancel()

    async def _read(self, conn: asyncpg.Connection, above: str) -> "_Part | None":
        """What the groups after one tell; None when there is none."""
        last = await store.groups_up_to(conn, above, self._events_a_part)
        if last is None:
            return None
        histories = await store.told_between(conn, above, last)
        identities = [event.identity for events in histories.values() for event in events]
        corrections = by_target(await store.corrections_of(conn, identities))
        return _Part(last, histories, corrections, await store.members_of(conn, histories))

    def _count(self, part: "_Part") -> "asyncio.Task[_Counted]":
        """Count in a thread: others are answered meanwhile."""
        return asyncio.create_task(asyncio.to_thread(_counted, part, self._rules))


class _Part(NamedTuple):
    """Groups up to `last`: their events, the corrections of those, and which of the groups are no lone units."""

    last: str
    histories: Mapping[str, Sequence[Event]]
    corrections: CorrectionsOf
    grouped: Collection[str]


class _Counted(NamedTuple):
    """What a part contributes, and the digests of its lone units."""

    change: Contributions
    leads: Mapping[str, LeadState]


def _counted(part: _Part, rules: Rules) -> _Counted:
    change = Contributions()
    leads: dict[str, LeadState] = {}
    for group, events in part.histories.items():
        counted, found = contributions(truths(events, part.corrections), rules)
        change.add_sum(found)
        if group not in part.grouped:
            leads[group] = counted.states.get(group, LeadState())
    return _Counted(change, leads)


async def _take_time(conn: asyncpg.Connection) -> None:
    for timeout in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        await conn.execute(f"set local {timeout} = 0")


async def _group_anew(conn: asyncpg.Connection) -> None:
    """Make the groups that the stored events make by the rules of now."""
    async for events in store.tying_events(conn, TYING_EVENTS, EVENTS_A_STEP):
        corrected = await store.roots_of(conn, (e for e in events if isinstance(e.data, Correction)))
        for join in await joins_of(conn, events, corrected):
            await store.join_groups(conn, join.name, join.units, join.before)
