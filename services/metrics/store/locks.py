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


async def lock_world(conn: asyncpg.Connection) -> None:
    """Hold the exclusive world lock until the transaction ends."""
    await conn.execute("select pg_advisory_xact_lock($1)", WORLD_LOCK)


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
    await conn.execute(f"savepoint trial; select pg_advisory_xact_lock_shared({WORLD_LOCK})")
    if await reaches_beyond():
        await conn.execute(f"rollback to savepoint trial; select pg_advisory_xact_lock({WORLD_LOCK})")
        return True
    await conn.execute("release savepoint trial")
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
