"""The two sets of numbers: one is shown, and the other may be in the making."""

from datetime import datetime
from typing import NamedTuple

import asyncpg


class Side(NamedTuple):
    """One set of cells and digests.

    fingerprint: of the rules by which it is made. While it is built it holds the groups up to `reached` and no other;
    `events`: those that were gone through for it.
    """

    side: int
    shown: bool
    building: bool
    fingerprint: str
    reached: str
    events: int
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def cells(self) -> str:
        """Name of the table of cells."""
        return "metrics.cells" if self.side == 1 else "metrics.cells_2"

    @property
    def leads(self) -> str:
        """Name of the table of digests."""
        return "metrics.leads" if self.side == 1 else "metrics.leads_2"

    def holds(self, group: str) -> bool:
        """Whether what the group contributes is, or belongs, in this set."""
        return self.shown or group <= self.reached


async def sides(conn: asyncpg.Connection) -> tuple[Side, Side]:
    """The set that is shown, and the other."""
    shown, other = await conn.fetch(
        """
        select side, shown, building, fingerprint, reached, events, started_at, finished_at
        from metrics.sides order by shown desc
        """
    )
    return Side(*shown), Side(*other)


async def shown_cells(conn: asyncpg.Connection) -> str:
    """Name of the table of the cells that are shown; in a snapshot the one that was shown then."""
    shown, _ = await sides(conn)
    return shown.cells


async def hold_sides(conn: asyncpg.Connection) -> tuple[Side, Side]:
    """As `sides`; nobody else begins to build until the transaction ends."""
    await conn.execute("select from metrics.sides order by side for update")
    return await sides(conn)


async def hold_shown(conn: asyncpg.Connection) -> Side:
    """The set that is shown; nobody begins to build, or shows another one, until the transaction ends."""
    await conn.execute("select from metrics.sides order by side for share")
    shown, _ = await sides(conn)
    return shown


async def begin_side(conn: asyncpg.Connection, side: Side, fingerprint: str) -> None:
    """Empty a set and build it. Rows are deleted, not truncated: an older snapshot may still show this set."""
    await conn.execute(f"delete from {side.cells}")  # noqa: S608 (the table is one of ours)
    await conn.execute(f"delete from {side.leads}")  # noqa: S608 (the table is one of ours)
    await conn.execute(
        """
        update metrics.sides set building = true, fingerprint = $2, reached = '', events = 0, started_at = now(),
               finished_at = null
        where side = $1
        """,
        side.side,
        fingerprint,
    )


async def advance_side(conn: asyncpg.Connection, side: Side, reached: str, events: int) -> None:
    """The groups up to `reached` are in the set that is built."""
    await conn.execute(
        "update metrics.sides set reached = $2, events = events + $3 where side = $1", side.side, reached, events
    )


async def show_side(conn: asyncpg.Connection, side: Side) -> None:
    """The set is whole: show it instead of the other."""
    await conn.execute("update metrics.sides set shown = false where shown")
    await conn.execute(
        "update metrics.sides set shown = true, building = false, finished_at = now() where side = $1", side.side
    )
