"""What a system holds inside, read from its database and its log."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple

import asyncpg

from services.handoff import consume as handoff
from services.ingest.consume import topics_of
from services.metrics import app as metrics
from shared.db import DatabaseUnavailable, dsn, is_outage
from shared.eventlog.opened import open_log
from shared.eventlog.port import EventLog, LogUnavailable, Positions, Record, TopicPartition
from shared.events import ACTIVITIES, HANDOFFS, LEADS, TOPICS, Event, from_record
from shared.settings import Settings
from shared.web.idempotency import CLAIM_S
from tests.system import System, until


def rows(url: str, statement: str, *values: Any) -> list[Any]:
    """The rows that a statement answers in the database at `url`."""

    async def ask() -> list[Any]:
        conn = await asyncpg.connect(dsn(url))
        try:
            return list(await conn.fetch(statement, *values))
        finally:
            await conn.close()

    return asyncio.run(ask())


_TABLES = """
    select table_schema || '.' || table_name as name from information_schema.tables
    where table_schema in ('ingest', 'handoff', 'metrics', 'outreach', 'access', 'log') and table_type = 'BASE TABLE'
"""


def holding(url: str, canary: str) -> list[str]:
    """The tables in which a text can be read."""
    found = []
    for table in rows(url, _TABLES):
        held = rows(url, f"select * from {table['name']}")  # noqa: S608 - names of the catalogue
        cells = (cell for row in held for cell in row.values())
        if any(canary.encode() in (cell if isinstance(cell, bytes) else str(cell).encode()) for cell in cells):
            found.append(table["name"])
    return found


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
    return errors_in(system.output())


def errors_in(output: str) -> list[str]:
    """The lines of level error and above."""
    levels = ('"level": "error"', '"level": "critical"')
    return [line for line in output.splitlines() if any(level in line for level in levels)]


def outlive_claims(url: str) -> None:
    """Let the time pass for which an unfinished run protects its Idempotency-Key, without waiting for it."""
    rows(
        url,
        "update access.idempotency set started_at = now() - make_interval(secs => $1) where status is null",
        CLAIM_S,
    )


def settle(url: str, within: float = 120, kafka: str | None = None) -> None:
    """Wait until nothing is on its way any more: outboxes empty, all consumers at the end of the log."""

    until(lambda: on_the_way(url, kafka) == (0, 0), within, lambda: f"{on_the_way(url, kafka)} are still on their way")


class OnTheWay(NamedTuple):
    """Events in the outboxes, and records that consumers have not taken yet: summed over the services."""

    outbox: int
    lag: int


def on_the_way(url: str, kafka: str | None = None) -> OnTheWay | None:
    """What has not arrived yet; None while PostgreSQL or Kafka is away."""
    try:
        return asyncio.run(_on_the_way(url, kafka))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, LogUnavailable, DatabaseUnavailable):
        return None
    except Exception as error:  # such as what asyncpg says when the server has said goodbye between two statements
        if is_outage(error):
            return None
        raise


def _consumers(log: EventLog) -> dict[str, tuple[str, ...]]:
    """Schema -> the topics that its service takes."""
    return {"metrics": metrics.TOPICS, "handoff": handoff.TOPICS, "ingest": topics_of(log)}


async def _on_the_way(url: str, kafka: str | None) -> OnTheWay:
    # Where consumers are and what waits in outboxes at one moment, and only then how far the log goes: what one of them
    # takes meanwhile and tells of (an outbox filled after it was looked at) would else be seen nowhere.
    async with the_log(url, kafka) as log:
        consumers = _consumers(log)
        conn = await asyncpg.connect(dsn(url))
        try:
            async with conn.transaction(isolation="repeatable_read", readonly=True):
                outbox, reached = 0, dict[str, dict[TopicPartition, int]]()
                for schema in consumers:
                    outbox += await conn.fetchval(f"select count(*) from {schema}.outbox")  # noqa: S608
                    found = await conn.fetch(f"select topic, partition, next_offset from {schema}.positions")  # noqa: S608
                    reached[schema] = {TopicPartition(topic, partition): n for topic, partition, n in found}
        finally:
            await conn.close()
        ends = await log.ends((LEADS, ACTIVITIES, HANDOFFS))
    lag = sum(
        end - reached[schema].get(at, 0)
        for schema, topics in consumers.items()
        for at, end in ends.items()
        if at.topic in topics
    )
    return OnTheWay(outbox, lag)


def logged(url: str, kafka: str | None = None) -> Iterator[Event]:
    """Every record of the log, as an event; second copies too. No more than one partition is held."""
    for at, end in asyncio.run(_ends(url, kafka)).items():
        yield from map(from_record, asyncio.run(_records(url, kafka, at, end)))


async def _ends(url: str, kafka: str | None) -> Positions:
    async with the_log(url, kafka) as log:
        return await log.ends(TOPICS)


async def _records(url: str, kafka: str | None, at: TopicPartition, end: int) -> list[Record]:
    found: list[Record] = []
    async with the_log(url, kafka) as log:
        reached = 0
        while reached < end:
            found += await log.read(at, reached, 5000)
            reached = found[-1].offset + 1
    return found


@asynccontextmanager
async def the_log(url: str, kafka: str | None) -> AsyncIterator[EventLog]:
    """The log of a system, as a tool opens it."""
    log = await open_log(Settings(database_url=url, kafka_bootstrap_servers=kafka))
    try:
        yield log
    finally:
        await log.close()
