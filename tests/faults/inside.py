"""What a system holds inside, read from its database and its log."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg

from shared.db import DatabaseUnavailable, dsn
from shared.eventlog.opened import open_log
from shared.eventlog.port import EventLog, LogUnavailable, Record
from shared.events import ACTIVITIES, HANDOFFS, LEADS, TOPICS, Event, from_record
from shared.settings import Settings
from shared.web.idempotency import CLAIM_S
from tests.system import System, until

CONSUMERS = {"metrics": (LEADS, ACTIVITIES, HANDOFFS), "handoff": (LEADS, ACTIVITIES), "ingest": (HANDOFFS,)}
"""Schema -> the topics that its service takes."""


def rows(url: str, statement: str, *values: Any) -> list[Any]:
    """The rows that a statement answers in the database at `url`."""

    async def ask() -> list[Any]:
        conn = await asyncpg.connect(dsn(url))
        try:
            return list(await conn.fetch(statement, *values))
        finally:
            await conn.close()

    return asyncio.run(ask())


def database(system: System) -> str:
    """The address of a system's own database."""
    url = (system.seen_data_dir / "database.url").read_text().strip()
    return url.replace(str(system.data_dir), str(system.seen_data_dir))


@contextmanager
def telling_errors(system: System) -> Iterator[None]:
    """A failure of the block is told with the errors that the services logged."""
    try:
        yield
    except BaseException as error:
        for line in errors_logged(system):
            error.add_note(line)
        raise


def errors_logged(system: System) -> list[str]:
    """The lines of level error and above that the services have written."""
    levels = ('"level": "error"', '"level": "critical"')
    return [line for line in system.output().splitlines() if any(level in line for level in levels)]


def outlive_claims(url: str) -> None:
    """Let the time pass for which an unfinished run protects its Idempotency-Key, without waiting for it."""
    rows(
        url,
        "update access.idempotency set started_at = now() - make_interval(secs => $1) where status is null",
        CLAIM_S,
    )


def settle(url: str, within: float = 120, kafka: str | None = None) -> None:
    """Wait until nothing is on its way any more: outboxes empty, all consumers at the end of the log."""

    def behind() -> int:
        try:
            return asyncio.run(_behind(url, kafka))
        except (OSError, asyncpg.PostgresError, LogUnavailable, DatabaseUnavailable):
            return -1  # PostgreSQL or Kafka is restarting

    until(lambda: behind() == 0, within, lambda: f"{behind()} events are still on their way")


async def _behind(url: str, kafka: str | None) -> int:
    conn = await asyncpg.connect(dsn(url))
    try:
        count = 0
        for schema in CONSUMERS:
            count += await conn.fetchval(f"select count(*) from {schema}.outbox")  # noqa: S608
        async with the_log(url, kafka) as log:
            ends = await log.ends((LEADS, ACTIVITIES, HANDOFFS))
        for schema, topics in CONSUMERS.items():
            found = await conn.fetch(f"select topic, partition, next_offset from {schema}.positions")  # noqa: S608
            reached = {(row["topic"], row["partition"]): row["next_offset"] for row in found}
            count += sum(end - reached.get(at, 0) for at, end in ends.items() if at.topic in topics)
        return count
    finally:
        await conn.close()


def logged(url: str, kafka: str | None = None) -> list[Event]:
    """Every record of the log, as an event; second copies too."""
    return [from_record(record) for record in asyncio.run(_records(url, kafka))]


async def _records(url: str, kafka: str | None) -> list[Record]:
    found: list[Record] = []
    async with the_log(url, kafka) as log:
        for at, end in (await log.ends(TOPICS)).items():
            reached = 0
            while reached < end:
                records = await log.read(at, reached, 5000)
                reached = records[-1].offset + 1
                found += records
    return found


@asynccontextmanager
async def the_log(url: str, kafka: str | None) -> AsyncIterator[EventLog]:
    """The log of a system, as a tool opens it."""
    log = await open_log(Settings(database_url=url, kafka_bootstrap_servers=kafka))
    try:
        yield log
    finally:
        await log.close()
