"""What batches hold while they change the numbers."""

from collections.abc import Awaitable, Callable

import asyncpg

WORLD_LOCK = 0x7461_7375_6B69_01
"""Advisory lock: shared by batches that touch only their own groups, exclusive for those that reach beyond."""


async def lock_world(conn: asyncpg.Connection, exclusive: bool) -> None:
    """Hold the world lock until the transaction ends."""
    function = "pg_advisory_xact_lock" if exclusive else "pg_advisory_xact_lock_shared"
    await conn.execute(f"select {function}($1)", WORLD_LOCK)


async def lock_world_unless(conn: asyncpg.Connection, reaches_beyond: Callable[[], Awaitable[bool]]) -> bool:
    """Hold the shared lock; or, when under it the batch turns out to reach beyond, the exclusive one. Whether it is.

    The question is asked under the lock, since before it others could change the answer; a savepoint gives the shared
    lock back, because nobody could wait for the exclusive one while another holds both wishes.
    """
    trial = conn.transaction()
    await trial.start()
    await lock_world(conn, exclusive=False)
    if await reaches_beyond():
        await trial.rollback()
        await lock_world(conn, exclusive=True)
        return True
    await trial.commit()
    return False
