"""The SQL of who has had a handoff."""

from datetime import datetime

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db import driver


class Reassigned(msgspec.Struct, frozen=True, kw_only=True):
    """That a handoff was given to somebody else. `request`: the identity of the keyed request that said so."""

    owner: str
    new_owner: str
    at: datetime
    by: str
    reason: str
    request: str | None = None


async def reassign(
    conn: AsyncConnection, handoff_id: str, due: datetime, remind: datetime | None, said: Reassigned
) -> None:
    """Give a pending handoff of which the caller holds the lead to somebody else, with its due time from now on, and
    when sales is to be reminded of it."""
    await (await driver(conn)).execute(
        """
        with given as (
            update handoff.handoffs set owner = $3, due_at = $8, remind_at = $9 where handoff_id = $1
            returning handoff_id, segment, number
        )
        insert into handoff.reassignments
            (handoff_id, owner, new_owner, at, by, reason, request, segment, handoff_number)
        select handoff_id, $2, $3, $4, $5, $6, $7, segment, number from given
        """,
        handoff_id,
        said.owner,
        said.new_owner,
        said.at,
        said.by,
        said.reason,
        said.request,
        due,
        remind,
    )


async def count_reassignments(conn: AsyncConnection, handoff_id: str) -> int:
    """How often a handoff was given to somebody else."""
    number: int = await (await driver(conn)).fetchval(
        "select count(*) from handoff.reassignments where handoff_id = $1", handoff_id
    )
    return number


async def reassignments_of(conn: AsyncConnection, handoff_id: str) -> list[Reassigned]:
    """Each time that a handoff was given to somebody else, in order."""
    rows = await (await driver(conn)).fetch(
        """
        select owner, new_owner, at, by, reason, request from handoff.reassignments
        where handoff_id = $1 order by number
        """,
        handoff_id,
    )
    return [Reassigned(**dict(row)) for row in rows]
