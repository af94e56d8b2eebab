"""The way in: takes records from the log so that each event has its effect exactly once.

A batch is one transaction: positions move by compare-and-set, what cannot be understood becomes a dead letter,
duplicates are dropped, the handler takes the rest, and all is counted. How a batch ended is an exception:

| raised | then |
|---|---|
| nothing | the next batch |
| Rejected | once more, with that record as a dead letter |
| DatabaseUnavailable, LogUnavailable | a pause; nothing becomes a dead letter |
| Superseded | on from the stored positions |
| deadlock and the like | once more |
| PositionLost | halt and alert: records would be skipped |
| anything else | three tries, then in halves, until the record that fails alone is found: a dead letter |
"""

import asyncio
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared import dead_letters, positions
from shared.backoff import Backoff
from shared.clock import Clock
from shared.consume_batch import Attempts, Batch, Sifted, Then, going_on_from, sift, understand
from shared.db import autocommit, is_outage, is_retryable, transaction
from shared.dead_letters import DeadLetter
from shared.eventlog.port import EventLog, Fetched, LogUnavailable, PositionLost, Positions, Reader, TopicPartition
from shared.events import Undecodable
from shared.inbox import CREATE_V1, ConsumerTables, Fresh, Handler, Received, Rejected, SeenTable, consumer_tables
from shared.positions import Superseded
from shared.settings import Settings
from shared.telemetry import Telemetry
from shared.watchdog import Watchdog

__all__ = [
    "CREATE_V1",
    "Consumer",
    "ConsumerStatus",
    "ConsumerTables",
    "Fresh",
    "Handler",
    "Received",
    "Rejected",
    "SeenTable",
    "consumer_tables",
]

FETCH_WAIT_S = 5.0
LAG_WITHIN_S = 2.0
"""How long the log may take to say where it ends before it counts as away: less than a check of health may take."""
MUCH = 0.1
"""Share of what a batch may hold: from there on there is a backlog, and the next is fetched while one is taken."""
TRIES = 3


class ConsumerStatus(NamedTuple):
    """How far a consumer is. `lag`: records of the log that it has not taken; 0: all is taken."""

    processed: int
    duplicates: int
    dead_lettered: int
    lag: int
    last_event_at: datetime | None
    positions: Positions
    lags: Mapping[TopicPartition, int]


class Consumer:
    """Takes the records of some topics for one service, as a member of a group. Also the reader's PositionKeeper."""

    def __init__(
        self,
        *,
        engine: AsyncEngine,
        log: EventLog,
        schema: str,
        group: str,
        member: str,
        topics: Sequence[str],
        handler: Handler,
        settings: Settings,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self._engine = engine
        self._log = log
        self._schema = schema
        self._group = group
        self._topics = tuple(topics)
        self._handler = handler
        self._member = member
        self._most = settings.consumer_batch_max
        self._clock = clock
        self._logger = telemetry.log
        self._spans = telemetry.spans
        self._freshness = telemetry.metrics.event_freshness.labels()
        self._halted_gauge = telemetry.metrics.consumer_halted.labels(group)
        self._watchdog = Watchdog(settings.consumer_stall_s)
        self._size = self._most
        self._next: dict[TopicPartition, int] = {}
        self._reader: Reader | None = None
        self._halted: str | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Take batches until `stop`, then leave the group."""
        pauses = Backoff(first_s=0.05, most_s=5.0)
        while not stop.is_set():
            try:
                if self._reader is None:
                    self._reader = await self._log.join(self._group, self._member, self._topics, self)
                await self._follow(self._reader, stop, pauses)
            except PositionLost as error:
                self._halted = f"consumer {self._group} has halted: {error}"
                self._halted_gauge.set(1)
                self._logger.critical("consumer_halted", group=self._group, reason=str(error))
                await stop.wait()
            except Superseded as error:
                self._logger.info("consumer_rewinds", group=self._group, reason=str(error))
                await self._recover(stop, pauses)
            except Exception as error:
                if _is_away(error):
                    self._logger.warning("consumer_waits", group=self._group, reason=str(error))
                else:
                    self._logger.exception("consumer_repeats", group=self._group)
                self._size = max(1, self._size // 2)  # a smaller batch may pass where a timeout ended this one
                await self._recover(stop, pauses)
        await self._leave()

    async def healthy(self) -> str | None:
        """None, or what is wrong: halted, or lag without progress although log and database are there."""
        if self._halted is not None:
            return self._halted
        if self._reader is None or not self._watchdog.suspicious():
            return None
        try:
            async with asyncio.timeout(LAG_WITHIN_S):
                lag = sum((await self._reader.lag()).values())
        except (LogUnavailable, TimeoutError):
            return None
        stalled_s = self._watchdog.stalled(lag)
        if stalled_s is None:
            return None
        return f"consumer {self._group} has {lag} records to take and took none for {stalled_s:.0f} s"

    async def status(self, conn: AsyncConnection) -> ConsumerStatus:
        """Figures of the whole group, the same from every replica. Raises LogUnavailable."""
        ends = await self._log.ends(self._topics)  # first, so that a lag of 0 holds for all that was there by now
        rows = await positions.rows(conn, self._schema, self._topics)
        reached = {TopicPartition(row["topic"], row["partition"]): int(row["next_offset"]) for row in rows}
        lags = {at: max(0, end - reached.get(at, 0)) for at, end in ends.items()}
        return ConsumerStatus(
            processed=sum(row["processed"] for row in rows),
            duplicates=sum(row["duplicates"] for row in rows),
            dead_lettered=sum(row["dead_lettered"] for row in rows),
            lag=sum(lags.values()),
            last_event_at=max((row["last_event_at"] for row in rows if row["last_event_at"]), default=None),
            positions=reached,
            lags=lags,
        )

    async def retry(self, conn: AsyncConnection, dead_letter_id: UUID) -> None:
        """Take the record of a dead letter after all, in the caller's transaction; it is resolved then.

        Raises LookupError (no open dead letter of this id), Undecodable or Rejected (it still cannot be taken), and
        whatever the handler raises; the caller's transaction must not be committed then.
        """
        record = await dead_letters.take_open(conn, self._schema, dead_letter_id)
        await positions.hold_shard(conn, self._schema, record.partition)
        sifted = await self._handle(conn, *understand(Batch([record], {}, {})))
        for letter in sifted.dead:
            raise Undecodable(letter.reason, letter.error)
        await positions.count(conn, self._schema, sifted.tallies)
        await dead_letters.resolve(conn, self._schema, dead_letter_id, self._clock.now())

    async def positions(self, shards: Collection[int]) -> Positions:
        """Where the reader goes on in these shards (PositionKeeper). Raises DatabaseUnavailable."""
        async with autocommit(self._engine) as conn:
            found = await positions.stored(conn, self._schema, self._topics, shards)
        self._next = {at: n for at, n in self._next.items() if at.partition not in shards} | found
        return found

    async def _follow(self, reader: Reader, stop: asyncio.Event, pauses: Backoff) -> None:
        """Batch after batch. The next is fetched while a large one is taken, and after a small one: what has come
        meanwhile is in it then, instead of waiting for two transactions with few events each."""
        stopping = asyncio.ensure_future(stop.wait())
        fetching = self._fetching(reader)
        try:
            while not stop.is_set():
                await asyncio.wait({fetching, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not fetching.done():
                    return
                batch = self._received(fetching.result())
                in_hand = batch.shards()
                ahead = len(batch.records) >= self._size * MUCH
                if ahead:
                    fetching = self._fetching(reader, in_hand)
                if batch.moves():
                    self._watchdog.progress()
                    await self._take(batch, stop)
                    in_hand.clear()
                    self._watchdog.progress()
                    self._size = min(self._most, self._size * 2)
                if not ahead:
                    fetching = self._fetching(reader)
                pauses.reset()
        finally:
            stopping.cancel()
            fetching.cancel()
            await asyncio.wait({fetching, stopping})
            if not fetching.cancelled():
                fetching.exception()  # the error that brought us here is the one that counts

    def _fetching(self, reader: Reader, in_hand: Collection[int] = ()) -> "asyncio.Task[Fetched]":
        return asyncio.ensure_future(reader.fetch(self._size, FETCH_WAIT_S, in_hand))

    def _received(self, fetched: Fetched) -> Batch:
        """A batch with the positions that it expects to find: where the reader was before it."""
        before = self._next
        self._next = {**before, **fetched.reached}
        return Batch(fetched.records, {at: before.get(at, 0) for at in self._next}, fetched.reached)

    async def _take(self, batch: Batch, stop: asyncio.Event, tries: int = TRIES) -> None:
        """Commit a batch, if need be in halves. Raises outages and Superseded; returns early at `stop`."""
        pauses = Backoff(first_s=0.02, most_s=1.0)
        attempts = Attempts(tries)
        while not stop.is_set():
            try:
                await self._commit(batch)
            except Exception as error:
                if isinstance(error, Superseded) or _is_away(error):
                    raise
                then = attempts.after(error, batch)
                self._logger.log(
                    logging.INFO if _is_usual(then, error) else logging.ERROR,
                    "batch_failed",
                    group=self._group,
                    records=len(batch.records),
                    then=then.name.lower(),
                    exc_info=error,
                )
            else:
                return
            if then is Then.IN_HALVES:
                await self._take_halves(batch, stop)
                return
            if then is Then.AFTER_A_PAUSE:
                await pauses.wait(stop)

    async def _take_halves(self, batch: Batch, stop: asyncio.Event) -> None:
        for half in batch.halves():
            await self._take(half, stop, tries=TRIES if len(half.records) == 1 else 1)

    async def _commit(self, batch: Batch) -> None:
        """One batch, one transaction."""
        understood, dead = understand(batch)
        with self._traced(understood) as received:
            async with transaction(self._engine, of_driver=True) as conn:
                await positions.move(conn, self._schema, batch.moves())
                sifted = await self._handle(conn, received, dead)
                await dead_letters.store(conn, self._schema, sifted.dead, self._clock.now())
                await positions.count(conn, self._schema, sifted.tallies)
        batch.committed()
        now_s = self._clock.now().timestamp()
        self._freshness.observe_all([max(0.0, now_s - event.recorded_at.timestamp()) for _, event in sifted.new])

    @contextmanager
    def _traced(self, received: Sequence[Received]) -> Iterator[Sequence[Received]]:
        """The events as they go on from the spans that take them, which end with the block."""
        if self._spans is None:
            yield received
            return
        told = ((record.topic, event.traceparent) for record, event in received)
        with self._spans.processing(self._group, told) as ours:
            yield going_on_from(ours, received)

    async def _handle(self, conn: AsyncConnection, received: Sequence[Received], dead: Sequence[DeadLetter]) -> Sifted:
        sifted = await sift(conn, self._handler, received, dead)
        if sifted.new:
            await self._handler.handle(conn, sifted.new)
        return sifted

    async def _recover(self, stop: asyncio.Event, pauses: Backoff) -> None:
        """Pause, and go on from the stored positions: what was in flight may or may not have been committed."""
        self._watchdog.progress()
        if self._reader is not None:
            await self._reader.rewind(range(self._log.partitions))
        await pauses.wait(stop)

    async def _leave(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            try:
                await reader.close()
            except LogUnavailable as error:
                self._logger.warning("consumer_left_without_farewell", group=self._group, reason=str(error))


def _is_usual(then: Then, error: Exception) -> bool:
    """Whether it happens where nothing is wrong: a record was condemned, or others were at the same rows."""
    return then is Then.AT_ONCE or (then is Then.AFTER_A_PAUSE and is_retryable(error))


def _is_away(error: Exception) -> bool:
    return is_outage(error) or isinstance(error, LogUnavailable)
