"""What batches hold while they change the numbers."""

import asyncpg

WORLD_LOCK = 0x7461_7375_6B69_01
"""Advisory lock: shared by batches that touch only their own leads, exclusive for those that reach beyond."""


async def lock_world(conn: asyncpg.Connection, exclusive: bool) -> None:
    """Hold the world lock until the transaction ends."""
    function = "pg_advisory_xact_lock" if exclusive else "pg_advisory_xact_lock_shared"
    await conn.execute(f"select {function}($1)", WORLD_LOCK)
