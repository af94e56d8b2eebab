"""How soon the partitions of a replica that was killed are served again by another."""

import asyncio
import os
import signal
import time
from contextlib import ExitStack

import asyncpg

from bench.metrics.filling import arriving
from bench.report import heading, held_to, median
from bench.stage import Database, database, environment, free_port, started, wait_for
from shared.db import dsn

RATE = 200
SETTLED_S, ARRIVED_S, PATIENCE_S = 6.0, 0.3, 60.0
"""Until both replicas have their share; for how long events arrive after the kill that then have to be counted."""

_ENDS = "select topic, partition, next_offset from log.partitions where next_offset > 0"
_TAKEN = "select topic, partition, next_offset from metrics.positions"


def measure(*, rounds: int) -> None:
    """Print the table."""
    heading(f"metrics: one of two replicas is killed (SIGKILL) while {RATE} events/s arrive                  seconds")
    with database() as db, ExitStack() as stack:
        _start(db, stack)
        stack.enter_context(arriving(db, RATE))
        waits = [_round(db) for _ in range(rounds)]
    note = f"{rounds} rounds: {min(waits):.1f} to {max(waits):.1f}"
    held_to("until all partitions are served again", f"{median(waits):.1f} s", must="<= 10 s", aim="<= 2 s", note=note)


def _start(db: Database, stack: ExitStack) -> int:
    """A replica that answers; its process id."""
    port = free_port()
    process = stack.enter_context(started(["services.metrics"], environment(db.url, TASUKI_METRICS_PORT=str(port))))
    wait_for(port, process)
    return process.pid


def _round(db: Database) -> float:
    with ExitStack() as stack:
        pid = _start(db, stack)
        time.sleep(SETTLED_S)
        os.kill(pid, signal.SIGKILL)
        killed = time.monotonic()
        time.sleep(ARRIVED_S)
        asyncio.run(_caught_up(db, killed))
        return time.monotonic() - killed


async def _caught_up(db: Database, since: float) -> None:
    """Wait until every partition is counted as far as it reaches now. Raises RuntimeError when it takes too long."""
    conn = await asyncpg.connect(dsn(db.url))
    try:
        ends = {(row["topic"], row["partition"]): row["next_offset"] for row in await conn.fetch(_ENDS)}
        while True:
            taken = {(row["topic"], row["partition"]): row["next_offset"] for row in await conn.fetch(_TAKEN)}
            if all(taken.get(at, 0) >= end for at, end in ends.items()):
                return
            if time.monotonic() - since > PATIENCE_S:
                raise RuntimeError("a partition is not served again")
            await asyncio.sleep(0.01)
    finally:
        await conn.close()
