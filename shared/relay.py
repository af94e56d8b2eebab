"""The relay: publishes a schema's outbox to the log, in order per key, and deletes what has been published.

Any number of processes may run a relay for the same schema. A transaction-wide advisory lock lets one publish at a
time; when that process dies, its transaction ends and the next one goes on. The lock is on (schema, shard of the
outbox); today there is one shard, 0.

Rows are taken by what is there, never by the greatest id seen: ids become visible out of order. Rows are deleted after
the log has confirmed them, so a crash in between publishes them twice, which consumers expect.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from shared.backoff import Backoff
from shared.db import DatabaseUnavailable, driver, is_retryable, transaction
from shared.eventlog.port import EventLog, LogUnavailable, Message, RecordRefused
from shared.notify import Notices
from shared.outbox import unpack_headers, wake_channel
from shared.telemetry import Telemetry

BATCH_ROWS = 2000
BATCH_BYTES = 8 * 1024 * 1024
SAFETY_POLL_S = 2.0
_SHARD = 0


class Relay:
    """Publishes `<schema>.outbox`."""

    def __init__(self, engine: AsyncEngine, schema: str, log: EventLog, telemetry: Telemetry) -> None:
        self._engine = engine
        self._schema = schema
        self._log = log
        self._logger = telemetry.log
        self._refused: set[int] = set()
        self._notices = Notices(engine)
        self._waker = self._notices.waker(wake_channel(schema))

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until `stop`; while the database or the log is away, try again with growing pauses."""
        backoff = Backoff()
        stopping = asyncio.create_task(self._wake_at(stop))
        try:
            while not stop.is_set():
                try:
                    while await self.publish() and not stop.is_set():
                        backoff.reset()
                    # Also a relay without the lock looks now and then: the one that has it may die.
                    await self._waker.wait(SAFETY_POLL_S)
                    backoff.reset()
                except (DatabaseUnavailable, LogUnavailable) as error:
                    self._logger.warning("relay_waits", schema=self._schema, reason=str(error))
                    await backoff.wait(stop)
                except Exception as error:
                    level = self._logger.info if is_retryable(error) else self._logger.error
                    level("relay_repeats", schema=self._schema, exc_info=error)
                    await backoff.wait(stop)
        finally:
            stopping.cancel()
            await self._notices.close()

    async def publish(self) -> int:
        """Publish one batch of the oldest rows; how many. 0: nothing is there, or another relay is at it.

        Raises DatabaseUnavailable, LogUnavailable.
        """
        async with transaction(self._engine) as conn:
            connection = await driver(conn)
            lock = f"tasuki.relay.{self._schema}"
            if not await connection.fetchval("select pg_try_advisory_xact_lock(hashtext($1), $2)", lock, _SHARD):
                return 0
            # The deletion need not be durable at once: losing it publishes twice, and the append has been waited for.
            await connection.execute("set local synchronous_commit = off")
            rows = await connection.fetch(
                f"""
                select id, topic, key, headers, value from (
                    select *, sum(octet_length(value)) over (order by id) - octet_length(value) as bytes_before
                    from (
                        select * from {self._schema}.outbox where id <> all($3::bigint[]) order by id limit $1
                    ) as oldest
                ) as measured
                where bytes_before < $2 order by id
                """,  # noqa: S608 - the schema is ours
                BATCH_ROWS,
                BATCH_BYTES,
                list(self._refused),
            )
            if rows:
                await connection.execute(
                    f"delete from {self._schema}.outbox where id = any($1::bigint[])",  # noqa: S608 - the schema is ours
                    await self._append(rows),
                )
            return len(rows)

    async def _append(self, rows: Sequence[Any]) -> list[int]:
        """Ids of what has been published. What the log will never take stays, and stops nobody behind it."""
        try:
            await self._log.append([_message(row) for row in rows])
        except RecordRefused:
            if len(rows) == 1:
                self._refused.add(rows[0]["id"])
                self._logger.exception("relay_refused", schema=self._schema, id=rows[0]["id"])
                return []
            return [id_ for row in rows for id_ in await self._append([row])]
        return [row["id"] for row in rows]

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._waker.wake()


def _message(row: Any) -> Message:
    return Message(row["topic"], row["key"], unpack_headers(row["headers"]), row["value"])
