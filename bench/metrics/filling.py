"""What is in the log before something is measured, and what arrives meanwhile.

`python -m bench.metrics.filling <rate>`: calls of just now, so many a second, until it is ended.
"""

import asyncio
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count, islice

import asyncpg

from bench.corpus import call, lead_name
from bench.cpu import Meter
from bench.report import Progress
from bench.stage import Database, environment
from shared.db import dsn
from shared.eventlog.embedded import EmbeddedLog
from shared.eventlog.opened import open_log
from shared.eventlog.port import Message
from shared.events import to_message
from shared.process import die_with_parent
from shared.settings import Settings

_BATCH = 2000
ARRIVALS_S = 0.1


def fill(database: Database, messages: Iterable[Message], total: int) -> None:
    """Append the messages to the log in a database."""
    fill_log(Settings(database_url=database.url, kafka_bootstrap_servers=None), messages, total)


def fill_log(settings: Settings, messages: Iterable[Message], total: int) -> None:
    """Append the messages to the log that the settings name."""
    asyncio.run(_append(settings, messages, Progress("filling the log", total)))


async def _append(settings: Settings, messages: Iterable[Message], progress: Progress) -> None:
    log = await open_log(settings)
    try:
        left, done = iter(messages), 0
        while batch := list(islice(left, _BATCH)):
            await log.append(batch)
            done += len(batch)
            progress.reached(done)
    finally:
        await log.close()


def put(database: Database, messages: Sequence[Message], meter: Callable[[], Meter]) -> Meter:
    """Append the messages all at once; a meter that was made as soon as they were there."""

    async def run() -> Meter:
        log = await EmbeddedLog.open(Settings(database_url=database.url))
        try:
            await log.append(messages)
            return meter()
        finally:
            await log.close()

    return asyncio.run(run())


def calm(database: Database) -> None:
    """Have PostgreSQL do now what it would do some time later, so that it does not do it in the middle of a measure."""

    async def run() -> None:
        conn = await asyncpg.connect(dsn(database.url))
        try:
            await conn.execute("vacuum analyze")
            await conn.execute("checkpoint")
        finally:
            await conn.close()

    asyncio.run(run())


def forget(database: Database) -> None:
    """Have the metrics service begin anew: as if it had taken nothing out of the log."""

    async def run() -> None:
        conn = await asyncpg.connect(dsn(database.url))
        try:
            await conn.execute(f"truncate {', '.join(f'metrics.{table}' for table in TAKEN)}")
        finally:
            await conn.close()

    asyncio.run(run())


TAKEN = (
    "events", "leads", "leads_2", "cells", "cells_2", "dimensions", "counters", "changes", "ties", "groups",
    "positions",
)  # fmt: skip
"""Tables of what was taken."""


@contextmanager
def arriving(database: Database, rate: int) -> Iterator[None]:
    """So many calls a second, of just now, come into the log until the block ends."""
    command = [sys.executable, "-m", "bench.metrics.filling", str(rate)]
    process = subprocess.Popen(command, env=environment(database.url), preexec_fn=die_with_parent(signal.SIGKILL))
    try:
        yield
        if process.poll() is not None:
            raise RuntimeError(f"arrivals ended with {process.returncode}")
    finally:
        process.kill()
        process.wait()


async def _arrive(rate: int) -> None:
    log = await EmbeddedLog.open(Settings())
    draw = random.Random(1)  # noqa: S311 - figures that can be repeated
    begun, prefix = time.monotonic(), f"arriving-{time.time_ns()}"
    for n in count():
        batch = [
            to_message(call(f"{prefix}-{n}-{i}", datetime.now(UTC), lead_name(draw.randrange(1000)), draw))
            for i in range(round(rate * ARRIVALS_S))
        ]
        await log.append(batch)
        await asyncio.sleep(max(0.0, begun + (n + 1) * ARRIVALS_S - time.monotonic()))


if __name__ == "__main__":
    asyncio.run(_arrive(int(sys.argv[1])))
