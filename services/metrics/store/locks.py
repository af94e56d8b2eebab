"""What batches hold while they change the numbers: first the world, then their shards, then units.

A lone lead is only changed by batches of the shard that its events come on. What may come on several shards at once is
locked by its name.
"""

from collections.abc import Awaitable, Callable, Collection

import asyncpg

WORLD_LOCK = 0x7461_7375_6B69_01
"""Advisory lock: shared by batches that touch only their own groups, exclusive for those that reach beyond."""
_SHARDS, _UNITS = 0x7461_7302, 0x7461_7303
"""First halves of the advisory locks of shards and units."""


async def lock_world(conn: asyncpg.Connection, exclusive: bool) -> None:
    """Hold the world lock until the transaction ends."""
    function = "pg_advisory_xact_lock" if exclusive else "pg_advisory_xact_lock_shared"
    await conn.execute(f"select {function}($1)", WORLD_LOCK)


async def holds_world(conn: asyncpg.Connection) -> bool:
    """Whether this transaction holds the exclusive lock: whether it reaches beyond its own groups."""
    held: bool = await conn.fetchval(
        """
        select exists (
            select from pg_locks
            where locktype = 'advisory' and pid = pg_backend_pid() and mode = 'ExclusiveLock' and objsubid = 1
              and classid::bigint << 32 | objid::bigint = $1
        )
        """,
        WORLD_LOCK,
    )
    return held


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


async def lock_shards(conn: asyncpg.Connection, shards: Collection[int]) -> None:
    """Keep everybody else out of the shards until the transaction ends."""
    await conn.execute("select pg_advisory_xact_lock($1, shard) from unnest($2::int[]) shard", _SHARDS, sorted(shards))


async def lock_units(conn: asyncpg.Connection, units: Collection[str]) -> None:
    """Keep everybody else from counting these units, or groups of units, until the transaction ends."""
    await conn.execute(
        """
        select pg_advisory_xact_lock($1, hash)
        from (select distinct hashtext(unit) as hash from unnest($2::text[]) unit order by hash) hashes
        """,
        _UNITS,
        list(units),
    )
