"""Numbers as they were known at a time: made anew from the events recorded by then, beside the live ones."""

import secrets
from datetime import datetime

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from services.metrics.contributions.rules import Rules
from services.metrics.recompute import Recomputation


async def cells_known_at(
    engine: AsyncEngine, conn: asyncpg.Connection, rules: Rules, known_at: datetime
) -> tuple[str, int]:
    """A table of cells that lasts as long as the transaction, and how many events it is made from."""
    # A name of its own each time: statements prepared for an earlier table of the same name would be stale.
    table = f"known_{secrets.token_hex(8)}"
    await conn.execute("set local statement_timeout = 0")
    await conn.execute(f"create temporary table {table} (like metrics.cells including all) on commit drop")
    events = await Recomputation(engine, conn, rules, table, known_at).run()
    return table, events
