"""Takes the rows of imports, batch by batch. A batch's rows and how far the import is are committed together, so each
row is taken once, whatever is killed; the lock of the import lets one replica work on it at a time."""

import asyncio
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest.context import Context
from services.ingest.imports import store
from services.ingest.imports.judge import ANY_DAY, Judged, judge, rejected, tally
from services.ingest.imports.rows import MAX_ROW, Row, read_rows
from services.ingest.imports.store import Import
from services.ingest.imports.trial import try_submissions
from services.ingest.items import Outcome, Submission
from services.ingest.record_submissions import record_submissions
from services.ingest.submissions import Arrival
from shared.audit import By
from shared.backoff import Backoff, pause
from shared.config.sources import Source
from shared.db import DatabaseUnavailable, driver, retried, transaction
from shared.mistakes import FieldError

BATCH = 500
"""Rows of one transaction."""
POLL_S = 2.0
SWEEP_EVERY = timedelta(minutes=10)
UPLOAD_MAY_REST = timedelta(hours=1)
_WINDOW = 4 * MAX_ROW
_SLICE = 50  # rows that are judged before other work of the process gets its turn
_NOT_STORED = "could not be stored; the log of the service says why"


class ImportWorker:
    """The background task of imports. `kept`: how long a report is kept."""

    def __init__(self, context: Context, *, kept: timedelta) -> None:
        self._context = context
        self._kept = kept
        self._engine = context.engine
        self._log = context.telemetry.log
        self._woken = asyncio.Event()
        self._batch = BATCH
        self._began: tuple[str, int] | None = None  # import and byte of the batch that is being taken
        self._hindering: tuple[str, int] | None = None
        self._swept_at = context.clock.now() - SWEEP_EVERY

    def wake(self) -> None:
        """There is a new import."""
        self._woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Take rows until `stop`; while the database is away, try again with growing pauses."""
        backoff = Backoff()
        while not stop.is_set():
            try:
                self._woken.clear()
                await self.sweep()
                while not stop.is_set() and await self.step():
                    backoff.reset()
                await self._rest(stop)
            except DatabaseUnavailable as error:
                self._log.warning("imports_wait", reason=str(error))
                await backoff.wait(stop)
            except Exception as error:
                self._log.error("imports_repeat", exc_info=error)
                await backoff.wait(stop)

    async def step(self) -> bool:
        """Take the next batch of the oldest import, or remove what imports have left behind; False when there is
        neither. Raises DatabaseUnavailable.

        A batch that cannot be stored is taken in smaller ones, until the row is found that hinders: it is rejected.
        """
        try:
            went_on = await retried(self._take)
        except DatabaseUnavailable:
            raise
        except Exception as error:
            if self._hindering == self._began:
                raise
            self._log.error("import_batch_failed", rows=self._batch, exc_info=error)
            if self._batch == 1:
                self._hindering = self._began
            self._batch = max(1, self._batch // 10)
            return True
        self._batch = min(BATCH, 2 * self._batch)
        return went_on

    async def _take(self) -> bool:
        async with transaction(self._engine) as conn:
            db = await driver(conn)
            item = await store.claim(db)
            if item is None:
                return await store.clear(db)
            self._began = (item.import_id, item.at)
            source = self._context.config.sources.get(item.source)
            if source is None:
                reason = f"there is no source {item.source} in sources.yaml any more"
                await store.finish(db, item.import_id, self._context.clock.now(), failed=reason)
                return True
            await self._take_rows(conn, item, source)
        return True

    async def _take_rows(self, conn: AsyncConnection, item: Import, source: Source) -> None:
        db = await driver(conn)
        window = await store.read_bytes(db, item.import_id, item.at, item.at + _WINDOW)
        rows, place = read_rows(
            window,
            item.place,
            encoding=item.encoding or "",
            delimiter=item.delimiter or "",
            most=1 if self._began == self._hindering else self._batch,
            is_end=item.at + len(window) == item.size,
        )
        judged = await self._judge(item, source, rows)
        outcomes = await self._record(conn, item, [submission for _, submission in judged.taken])
        counts, rejects = tally(judged, outcomes)
        await store.advance(db, item, place, counts, rejects)
        if place.at == item.size:
            await store.finish(db, item.import_id, self._context.clock.now())
            self._log.info("import_done", import_id=item.import_id, source=item.source, bytes=item.size)

    async def _judge(self, item: Import, source: Source, rows: list[Row]) -> Judged:
        if self._began == self._hindering:
            return Judged([], [rejected(row, [FieldError("", _NOT_STORED)]) for row in rows])
        by = By(f"import:{item.import_id}", "POST /v1/imports")
        arrival = Arrival(at=item.received_at, day=ANY_DAY, by=by, traceparent=item.traceparent)
        whole = Judged([], [])
        for begin in range(0, len(rows), _SLICE):
            part = judge(rows[begin : begin + _SLICE], item.columns, source, self._context.config.fields, arrival)
            whole.taken.extend(part.taken)
            whole.rejected.extend(part.rejected)
            await asyncio.sleep(0)
        return whole

    async def _record(self, conn: AsyncConnection, item: Import, given: list[Submission]) -> list[Outcome]:
        if not given:
            return []
        now, personal = self._context.clock.now(), self._context.config.fields.personal
        if item.dry_run:
            return await try_submissions(conn, item.import_id, given, now, personal)
        scans = self._context.recorder.scan_websites
        return await record_submissions(conn, given, now, personal, scan_websites=scans)

    async def sweep(self) -> None:
        """Give up what nobody goes on with, and old reports; now and then. Raises DatabaseUnavailable."""
        now = self._context.clock.now()
        if now - self._swept_at < SWEEP_EVERY:
            return
        async with self._context.database() as db:
            await store.sweep(db, untouched_since=now - UPLOAD_MAY_REST, finished_before=now - self._kept)
        self._swept_at = now

    async def _rest(self, stop: asyncio.Event) -> None:
        """Until there is a new import here, or maybe at another replica, or nothing more to do."""
        waiting = [asyncio.ensure_future(self._woken.wait()), asyncio.ensure_future(pause(stop, POLL_S))]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
