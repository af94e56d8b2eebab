"""Reads what a restatement is made from: the numbers at the close and now in one snapshot, and the groups that moved
them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeVar

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from services.metrics import store
from services.metrics.catalogue.kpis import Kpi
from services.metrics.contributions.rules import Rules
from services.metrics.known import cells_known_at
from services.metrics.match import Matcher
from services.metrics.restatement.closed import Closed
from services.metrics.restatement.movers import Group, causes_in, grouped
from services.metrics.restatement.stakes import Stakes
from services.metrics.store.restated import groups_told_of_after, sees_all_dimensions
from shared.db import DatabaseUnavailable, driver, transaction
from shared.events import Event

T = TypeVar("T")

GROUPS_AT_ONCE = 200
ATTEMPTS = 5

Moved = list[tuple[Event, list[str]]]
"""Events of a group with the KPIs that each moved."""


async def at_close(
    engine: AsyncEngine, rules: Rules, closed_at: datetime, ask: Callable[[asyncpg.Connection, str], Awaitable[T]]
) -> T:
    """What `ask` finds in one snapshot, given the name of a table of cells as they were known at the close beside it.

    A cell that has come to nothing may need a row of dimensions that is made in a transaction of its own, after the
    snapshot was taken. The row stays, so the next snapshot has it.
    """
    for _ in range(ATTEMPTS):
        async with transaction(engine.execution_options(isolation_level="REPEATABLE READ")) as conn:
            raw = await driver(conn)
            await raw.execute("set local idle_in_transaction_session_timeout = 0")
            cells, _ = await cells_known_at(engine, raw, rules, closed_at)
            if await sees_all_dimensions(raw, cells):
                return await ask(raw, cells)
    raise DatabaseUnavailable("dimensions keep being made while the past is asked for")


class Movers:
    """The groups of which something was recorded after a period's close, and what of it moved KPIs."""

    def __init__(
        self,
        conn: asyncpg.Connection,
        rules: Rules,
        matcher: Matcher,
        kpis: Sequence[Kpi],
        by: tuple[str, ...],
        closed: Closed,
    ) -> None:
        self._conn = conn
        self._closed_at = closed.at
        self._stakes = Stakes(kpis, closed.period, by, rules, matcher)

    async def moved(self, first: str = "") -> AsyncIterator[tuple[str, Moved]]:
        """Each group that moved a KPI, in order and from `first` on, with the events that did."""
        await self._conn.execute("set local statement_timeout = 0")
        names: list[str] = []
        async for name in groups_told_of_after(self._conn, self._closed_at, first):
            names.append(name)
            if len(names) == GROUPS_AT_ONCE:
                for found in await self._of(names):
                    yield found
                names = []
        for found in await self._of(names):
            yield found

    async def _of(self, names: Sequence[str]) -> list[tuple[str, Moved]]:
        histories = await store.history(self._conn, names)
        identities = [event.identity for events in histories.values() for event in events]
        groups = grouped(histories, await store.corrections_of(self._conn, identities))
        return await asyncio.to_thread(self._movers, groups)  # others are answered meanwhile

    def _movers(self, groups: dict[str, Group]) -> list[tuple[str, Moved]]:
        found = ((name, causes_in(g, self._stakes, self._closed_at)) for name, g in groups.items())
        return [(name, causes) for name, causes in found if causes]
