"""The relay: publishes a schema's outbox to the log, in order per key, and deletes what has been published.

Any number of processes may run a relay for the same schema. Each key has a shard, and who publishes a shard holds its
transaction-wide advisory lock: when that process dies, its transaction ends and another one goes on. A relay takes all
shards that are free, half of them while there is much to do, so that others share the work.

What the log has not confirmed within PATIENCE_S (a partition without a leader) is waited for beside the others: its
shard is left alone until then. Its lock is free meanwhile, so another relay may publish the same rows.

Rows are taken by what is there, never by the greatest id seen: ids become visible out of order. Rows are deleted after
the log has confirmed them, so a crash in between publishes them twice, which consumers expect. A log in the same
database takes them over in the relay's transaction instead, and no row is ever in both.
"""

import asyncio
import random
import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from shared.backoff import Backoff
from shared.db import DatabaseUnavailable, driver, is_retryable, transaction
from shared.eventlog.port import EventLog, LogError, LogInDatabase, LogUnavailable, Message, RecordRefused, Taken
from shared.events import traceparent_of
from shared.notify import Notices
from shared.outbox import SHARDS, oldest_rows, unpack_headers, wake_channel
from shared.telemetry import Telemetry

BATCH_ROWS = 2000
BATCH_BYTES = 8 * 1024 * 1024
SAFETY_POLL_S = 2.0
PATIENCE_S = 1.0


class Handed(NamedTuple):
    """A row of the outbox that was given to the log, what ends when it is written, and since when (ns since 1970)."""

    row: Any
    written: asyncio.Future[None]
    since: int


class Relay:
    """Publishes `<schema>.outbox`."""

    def __init__(self, engine: AsyncEngine, schema: str, log: EventLog, telemetry: Telemetry) -> None:
        self._engine = engine
        self._schema = schema
        self._log = log
        self._takes = log.take if isinstance(log, LogInDatabase) and log.takes(SHARDS) else None
        self._logger = telemetry.log
        self._spans = telemetry.spans
        self._refused: set[int] = set()
        self._late: dict[int, asyncio.Task[None]] = {}
        self._much = self._more = False
        self._notices = Notices(engine)
        self._waker = self._notices.waker(wake_channel(schema))

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until `stop`; while the database or the log is away, try again with growing pauses."""
        backoff = Backoff()
        stopping = asyncio.create_task(self._wake_at(stop))
        try:
            while not stop.is_set():
                try:
                    await self.publish()
                    backoff.reset()
                    # What comes meanwhile wakes us, also for shards that another relay holds: it was told, too. That
                    # one may die, so we look now and then without being told.
                    if not self._more:
                        await self._waker.wait(SAFETY_POLL_S)
                except (DatabaseUnavailable, LogUnavailable) as error:
                    self._logger.warning("relay_waits", schema=self._schema, reason=str(error))
                    await backoff.wait(stop)
                except Exception as error:
                    level = self._logger.info if is_retryable(error) else self._logger.error
                    level("relay_repeats", schema=self._schema, exc_info=error)
                    await backoff.wait(stop)
        finally:
            stopping.cancel()
            for late in (lates := list(self._late.values())):
                late.cancel()
            await asyncio.gather(*lates, return_exceptions=True)
            await self._notices.close()

    async def publish(self) -> int:
        """Publish one batch of the oldest rows; how many were handed over. 0: nothing is there, or others are at it.

        Raises DatabaseUnavailable, LogUnavailable.
        """
        since = time.time_ns()
        async with transaction(self._engine, of_driver=True) as conn:
            connection = await driver(conn)
            shards = await self._lock(connection)
            failures: list[LogError] = []
            if self._takes is not None:
                taken = await self._takes(
                    connection,
                    self._schema,
                    shards,
                    rows=BATCH_ROWS,
                    size=BATCH_BYTES,
                    traced=self._spans is not None,
                )
            else:
                taken, failures = await self._publish(connection, shards)
        self._tell_sent(taken.traced, since)
        had_much, self._much = self._much, taken.rows == BATCH_ROWS
        self._more = self._much or had_much or taken.size >= BATCH_BYTES
        if failures:
            raise failures[0]
        return taken.rows or (await self.publish() if had_much else 0)  # the other half of the shards may hold the rest

    async def _lock(self, connection: Any) -> list[int]:
        """The shards that this transaction may publish."""
        free = [shard for shard in range(SHARDS) if shard not in self._late]
        random.shuffle(free)
        rows = await connection.fetch(
            """
            select shard from unnest($2::int[]) as shard where pg_try_advisory_xact_lock(hashtext($1), shard) limit $3
            """,
            f"tasuki.relay.{self._schema}",
            free,
            SHARDS // 2 if self._much else SHARDS,
        )
        return [row["shard"] for row in rows]

    async def _publish(self, connection: Any, shards: Sequence[int]) -> tuple[Taken, list[LogError]]:
        """The rows of these shards that were given to the log, and what it said against some of them."""
        # The deletion need not be durable at once: losing it publishes twice, and the append has been waited for.
        await connection.execute("set local synchronous_commit = off")
        rows = await connection.fetch(
            f"{oldest_rows(self._schema, 'and id <> all($4::bigint[])')} order by id",
            shards,
            BATCH_ROWS,
            BATCH_BYTES,
            list(self._refused),
        )
        failures = await self._hand_over(connection, rows) if rows else []
        return Taken(len(rows), sum(len(row["value"]) for row in rows)), failures

    async def _hand_over(self, connection: Any, rows: Sequence[Any]) -> list[LogError]:
        """Give rows to the log and delete those that it confirms soon; what it said against the others."""
        since = time.time_ns()
        written = await self._log.hand_over([_message(row) for row in rows])
        await asyncio.wait(set(written), timeout=PATIENCE_S)
        of_shard: dict[int, list[Handed]] = {}
        for handed in (Handed(row, one, since) for row, one in zip(rows, written, strict=True)):
            of_shard.setdefault(handed.row["shard"], []).append(handed)
        soon: list[Handed] = []
        for shard, handed_over in of_shard.items():
            if all(handed.written.done() for handed in handed_over):
                soon += handed_over
            else:
                self._late[shard] = asyncio.create_task(self._finish_late(shard, handed_over))
        if self._late:
            self._logger.warning("relay_waits", schema=self._schema, reason="not confirmed", shards=sorted(self._late))
        confirmed, failures = await self._confirmed(soon)
        await self._delete(connection, confirmed)
        return failures

    async def _finish_late(self, shard: int, handed_over: Sequence[Handed]) -> None:
        """Wait for what one shard owes, and let the shard go on."""
        try:
            await asyncio.wait({handed.written for handed in handed_over})
            confirmed, _ = await self._confirmed(handed_over)
            async with transaction(self._engine, of_driver=True) as conn:
                await self._delete(await driver(conn), confirmed)
        except Exception as error:
            # The rows are still there, and are published again.
            self._logger.info("relay_repeats", schema=self._schema, shard=shard, reason=str(error))
        finally:
            del self._late[shard]
            self._waker.wake()

    async def _confirmed(self, handed_over: Sequence[Handed]) -> tuple[list[int], list[LogError]]:
        """Ids of what has been published, and what the log said against the rest."""
        confirmed: list[Any] = []
        refused: list[Any] = []
        failures: list[LogError] = []
        for row, written, _ in handed_over:
            error = written.exception()
            if error is None:
                confirmed.append(row)
            elif isinstance(error, RecordRefused):
                refused.append(row)
            elif isinstance(error, LogError):
                failures.append(error)
            else:
                raise error
        for row in refused:  # one of them was refused, and the others with it
            confirmed += await self._append_alone(row)
        if confirmed:
            self._tell_sent(((row["topic"], row["headers"]) for row in confirmed), handed_over[0].since)
        return [row["id"] for row in confirmed], failures

    async def _append_alone(self, row: Any) -> list[Any]:
        """The row when it has been published. What the log will never take stays, and stops nobody behind it."""
        try:
            await self._log.append([_message(row)])
        except RecordRefused:
            self._refused.add(row["id"])
            self._logger.exception("relay_refused", schema=self._schema, id=row["id"])
            return []
        return [row]

    def _tell_sent(self, rows: Iterable[tuple[str, bytes]], since: int) -> None:
        """Make spans of what has gone to the log, by topic and packed headers."""
        if self._spans is not None:
            self._spans.sent(((topic, traceparent_of(unpack_headers(headers))) for topic, headers in rows), since)

    async def _delete(self, connection: Any, ids: Sequence[int]) -> None:
        await connection.execute(
            f"delete from {self._schema}.outbox where id = any($1::bigint[])",  # noqa: S608 - the schema is ours
            ids,
        )

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._waker.wake()


def _message(row: Any) -> Message:
    return Message(row["topic"], row["key"], unpack_headers(row["headers"]), row["value"])
