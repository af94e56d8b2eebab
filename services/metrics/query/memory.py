"""Sums that were asked for before, brought up to date by what has changed since, so that they need not be made anew.

What is remembered is always the sum of the cells of one snapshot: it was added up in one, and every change that a later
snapshot sees and it did not is added to it before it answers there.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

import asyncpg

from services.metrics import store
from services.metrics.distribution import Distribution, with_more
from services.metrics.match import Matcher
from services.metrics.query.sql import sums_of_cells
from services.metrics.query.values import NOTHING, Sum, Sums
from services.metrics.selection import Selection

Distributions = Mapping[tuple[Any, ...], Distribution]
SUMS_AT_MOST = 200_000
"""Over all that is remembered; some 60 MB."""
ENTRY = 20
LETTERS = 100
"""What a selection itself takes, in sums; and how many letters of what it keeps take another."""


class Memory:
    """Remembers sums of selections, those asked for last."""

    def __init__(self, fiscal_year_start: int, most: int = SUMS_AT_MOST) -> None:
        self._fiscal_year_start = fiscal_year_start
        self._most = most
        self._entries: OrderedDict[Selection, _Entry] = OrderedDict()

    async def sums(self, conn: asyncpg.Connection, selection: Selection, cells: str) -> Sums:
        """Everything selected, summed, as the connection's snapshot (`shared.db.snapshot`) sees it.

        cells: the table of those that are shown, from which is added up what is not known.
        """
        entry = self._entries.setdefault(selection, _Entry(selection, self._fiscal_year_start))
        self._entries.move_to_end(selection)
        sums = await entry.sums(conn, cells)
        self._forget()
        return sums

    async def distributions(self, conn: asyncpg.Connection, selection: Selection, cells: str) -> Distributions:
        """As `sums`, of a selection that also tells sums apart by measured values: those of each rest of the key."""
        sums = await self.sums(conn, selection, cells)
        entry = self._entries.get(selection)
        return distributions_of(sums) if entry is None else entry.distributions(sums)

    def _forget(self) -> None:
        """Make room: first by what is too large to be kept beside others, then by what was asked for longest ago."""
        for selection in [s for s, entry in self._entries.items() if entry.size > self._most // 2]:
            del self._entries[selection]
        held = sum(entry.size for entry in self._entries.values())
        while held > self._most:
            _, entry = self._entries.popitem(last=False)
            held -= entry.size


def distributions_of(sums: Sums) -> Distributions:
    """Measured values by what they were measured of; the last part of a sum's key is the value."""
    return with_more({}, ((key[:-1], key[-1], added.n) for key, added in sums.items()))


class _Held(NamedTuple):
    seen: store.Seen
    sums: Sums
    matcher: Matcher
    distributions: Distributions | None = None  # of `sums`, once they were asked for


class _Entry:
    def __init__(self, selection: Selection, fiscal_year_start: int) -> None:
        self._selection = selection
        self._fiscal_year_start = fiscal_year_start
        self._held: _Held | None = None
        self._lock = asyncio.Lock()  # whoever asks the same meanwhile waits for the answer instead of making it, too

    @property
    def size(self) -> int:
        """In sums."""
        asked = sum(1 + len(value) // LETTERS for _, values in self._selection.where for value in values)
        return ENTRY + asked + (len(self._held.sums) if self._held else 0)

    async def sums(self, conn: asyncpg.Connection, cells: str) -> Sums:
        async with self._lock:
            held = self._held
            seen, told = await store.changes_since(conn, held and held.seen)
            if held and told:
                self._held = self._added(held, told)._replace(seen=seen)
            elif held and held.seen.is_after(seen):
                return await sums_of_cells(conn, self._selection, self._fiscal_year_start, cells)
            else:
                self._held = await self._made(conn, cells, seen)
            return self._held.sums

    async def _made(self, conn: asyncpg.Connection, cells: str, seen: store.Seen) -> _Held:
        sums = await sums_of_cells(conn, self._selection, self._fiscal_year_start, cells)
        teams = Membership(await store.membership(conn))
        return _Held(seen, sums, Matcher(teams, self._fiscal_year_start))

    def distributions(self, sums: Sums) -> Distributions:
        """Of sums that `sums` answered."""
        if self._held is None or self._held.sums is not sums:
            return distributions_of(sums)
        if self._held.distributions is None:
            self._held = self._held._replace(distributions=distributions_of(sums))
        return self._held.distributions or {}

    def _added(self, held: _Held, told: store.Told) -> _Held:
        """With new sums: the old ones may still be read by whoever asked before."""
        placed = [(held.matcher.key(fact, self._selection), amount) for fact, amount in told.facts]
        changed = [(key, amount) for key, amount in placed if key is not None]
        if not changed:
            return held
        sums = dict(held.sums)
        for key, amount in changed:
            n, total = sums.get(key, NOTHING)
            if (added := Sum(n + amount.n, total + amount.total)) != NOTHING:
                sums[key] = added
            else:
                sums.pop(key, None)
        if held.distributions is None:
            return held._replace(sums=sums)
        more = with_more(held.distributions, ((key[:-1], key[-1], amount.n) for key, amount in changed))
        return held._replace(sums=sums, distributions=more)


class Membership:
    """The teams by which the cells are cut: those in the database, not those of this process's file."""

    def __init__(self, rows: list[tuple[str, str, date, date]]) -> None:
        self._of: dict[str, list[tuple[date, date, str]]] = {}
        for rep, team, first, last in rows:
            self._of.setdefault(rep, []).append((first, last, team))

    def team_of(self, rep: str, day: date) -> str:
        """The rep's team on a day, "" when in none."""
        return next((team for first, last, team in self._of.get(rep, ()) if first <= day <= last), "")
