"""A small service that consumes: a schema `toy` with outbox and consumer's tables, and a handler that adds rows."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared import outbox
from shared.clock import SystemClock
from shared.consume import CREATE_V1, Consumer, Fresh, Received, SeenTable
from shared.db import connect, driver, transaction
from shared.eventlog.embedded import EmbeddedLog
from shared.eventlog.port import Message
from shared.events import ACTIVITIES, LEADS, Call, Event, to_message
from shared.settings import Settings
from shared.telemetry import Telemetry
from shared.telemetry.spans import Spans

SCHEMA = "toy"
T = TypeVar("T")
TOPICS = (LEADS, ACTIVITIES)
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
LONG_S = 60

_TABLES = "create schema toy; create table toy.effects (source text, id text, duration_s integer);"


def call(id_: str, *, lead: str = "lead", duration_s: int = 1, source: str = "test") -> Event:
    return Event(
        id=id_,
        source=source,
        name="call",
        time=NOON,
        subject=lead,
        key=lead,
        recorded_at=NOON,
        data=Call(rep="tanaka", direction="outbound", outcome="conversation", duration_s=duration_s),
    )


async def until(condition: Callable[[], Awaitable[T | None]]) -> T:
    """What the condition answers once that is something."""
    async with asyncio.timeout(LONG_S):
        while not (answer := await condition()):  # noqa: ASYNC110 - what we wait for is in other processes' hands
            await asyncio.sleep(0.02)
    return answer


class Adding:
    """Writes a row for each new event; `failing` may raise before that."""

    def __init__(self) -> None:
        self._seen = SeenTable(SCHEMA)
        self.failing: Callable[[Sequence[Received]], None] = lambda _: None
        self.calls = 0

    async def fresh(self, conn: AsyncConnection, received: Sequence[Received]) -> Fresh:
        return await self._seen.fresh(conn, received)

    async def handle(self, conn: AsyncConnection, received: Sequence[Received]) -> None:
        self.calls += 1
        await (await driver(conn)).executemany(
            "insert into toy.effects values ($1, $2, $3)",
            [(r.event.source, r.event.id, getattr(r.event.data, "duration_s", None)) for r in received],
        )
        self.failing(received)


class Toy:
    """The service's parts, and what a test asks of them."""

    def __init__(
        self, settings: Settings, engine: AsyncEngine, log: EmbeddedLog, member: str = "0", spans: Spans | None = None
    ) -> None:
        self.settings = settings
        self.engine = engine
        self.log = log
        self.handler = Adding()
        self.lines = io.StringIO()
        self.telemetry = Telemetry("toy", stream=self.lines, spans=spans)
        self.consumer = Consumer(
            engine=engine,
            log=log,
            schema=SCHEMA,
            group=SCHEMA,
            member=member,
            topics=TOPICS,
            handler=self.handler,
            settings=settings,
            clock=SystemClock(),
            telemetry=self.telemetry,
        )

    async def append(self, *events: Event) -> None:
        await self.log.append([to_message(event) for event in events])

    async def append_raw(self, *messages: Message) -> None:
        await self.log.append(messages)

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        async with transaction(self.engine) as conn:
            return [tuple(row) for row in await (await driver(conn)).fetch(sql)]

    async def effects(self) -> list[str]:
        return [id_ for (id_,) in await self.rows("select id from toy.effects order by id")]

    async def dead_letters(self) -> list[tuple[Any, ...]]:
        return await self.rows("select reason, value, error from toy.dead_letters order by id")

    async def counts(self) -> tuple[int, int, int, int]:
        """processed, duplicates, dead-lettered, lag."""
        async with transaction(self.engine) as conn:
            status = await self.consumer.status(conn)
        return status.processed, status.duplicates, status.dead_lettered, status.lag

    async def caught_up(self) -> tuple[int, int, int, int]:
        """The counts once the consumer has taken all that is in the log."""

        async def all_taken() -> tuple[int, int, int, int] | None:
            counts = await self.counts()
            return None if counts[3] else counts

        return await until(all_taken)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The consumer at work."""
        stop = asyncio.Event()
        task = asyncio.create_task(self.consumer.run(stop))
        try:
            yield
        finally:
            stop.set()
            async with asyncio.timeout(LONG_S):
                await task


@asynccontextmanager
async def open_toy(
    database_url: str, *, create: bool = True, member: str = "0", spans: Spans | None = None, **more: Any
) -> AsyncIterator[Toy]:
    settings = Settings(database_url=database_url, consumer_lease_s=2, pool_size=4, **more)
    engine = connect(settings, "toy")
    if create:
        async with transaction(engine) as conn:
            made = outbox.CREATE_V1 + outbox.ADD_SHARD_V2 + ";" + CREATE_V1
            tables = _TABLES + made.format(schema=SCHEMA)
            await (await driver(conn)).execute(tables)
    log = await EmbeddedLog.open(settings)
    try:
        yield Toy(settings, engine, log, member, spans)
    finally:
        await log.close()
        await engine.dispose()
