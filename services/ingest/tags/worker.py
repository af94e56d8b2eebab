"""The background task that does the scans: takes one that is due, fetches, keeps what it found, tells it.

What it found becomes a submission like any tool's result, whose id is made of the scan's, so that telling it again
after a crash changes nothing. Any number of processes may do scans at once.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine

from services.ingest import store
from services.ingest.answers import lead_answer
from services.ingest.group import Overloaded
from services.ingest.record import Recorder
from services.ingest.submissions import read_tag_scan
from services.ingest.tables import Connection
from services.ingest.tags import scans
from services.ingest.tags.collect import collect_tags
from services.ingest.tags.scans import Scan
from shared.backoff import Backoff
from shared.clock import Clock
from shared.db import DatabaseUnavailable, driver, is_retryable, snapshot, transaction
from shared.fields import FieldRegistry
from shared.notify import Notices, Waker
from shared.safe_http import Fetcher, FetchFailed, FetchRefused
from shared.telemetry import Telemetry

AT_ONCE = 4
RETRY_S = (60.0, 600.0, 3600.0)
"""Seconds after which a failed attempt is repeated: a machine without a network asks four times in all."""
SAFETY_POLL_S = 60.0
NO_WEBSITE = "the lead has no website"


class TagScans:
    """Does the scans of `ingest.tag_scans`."""

    def __init__(
        self,
        engine: AsyncEngine,
        clock: Clock,
        fetcher: Fetcher,
        recorder: Recorder,
        registry: FieldRegistry,
        telemetry: Telemetry,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._fetcher = fetcher
        self._recorder = recorder
        self._registry = registry
        self._log = telemetry.log
        self._count = telemetry.metrics.tag_scans
        self._notices = Notices(engine)

    async def run(self, stop: asyncio.Event) -> None:
        """Do scans until `stop`; what is running then is given back."""
        try:
            await asyncio.gather(*(self._work(self._notices.waker(scans.CHANNEL), stop) for _ in range(AT_ONCE)))
        finally:
            await self._notices.close()

    async def _work(self, waker: Waker, stop: asyncio.Event) -> None:
        backoff = Backoff()
        stopping = asyncio.create_task(_when(stop, waker.wake))
        try:
            while not stop.is_set():
                try:
                    if not await self._do_next(stop):
                        await waker.wait(await self._idle_s())
                    backoff.reset()
                except (DatabaseUnavailable, Overloaded) as error:
                    self._log.warning("tag_scans_wait", reason=type(error).__name__)
                    await backoff.wait(stop)
                except Exception as error:  # the scan is taken up again when its lease has run out
                    level = self._log.info if is_retryable(error) else self._log.error
                    level("tag_scan_broke_off", exc_info=error)
                    await backoff.wait(stop)
        finally:
            stopping.cancel()

    async def _do_next(self, stop: asyncio.Event) -> bool:
        """Do one scan that is due; False when none was."""
        async with self._database() as db:
            scan = await scans.take(db)
        if scan is None:
            return False
        doing = asyncio.create_task(self._do(scan))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            if not doing.done():
                doing.cancel()
                await asyncio.wait({doing})
                async with self._database() as db:
                    await scans.give_back(db, scan)
        if not doing.cancelled():
            doing.result()
        return True

    async def _do(self, scan: Scan) -> None:
        found = scan if scan.tags is not None else await self._look(scan)
        if found is None:
            return
        submission = read_tag_scan(
            found.lead_id, found.scan_id, found.tags or [], found.observed_at or self._clock.now()
        )
        (outcome,) = await self._recorder.submissions.submit([submission])
        async with self._database() as db:
            await scans.finish(db, scan, reason=None if outcome.taken else "the lead was erased")
        self._count.labels("done" if outcome.taken else "failed").inc()

    async def _look(self, scan: Scan) -> Scan | None:
        """The scan with what was found; None when nothing was, and that is on record."""
        website = await self._website(scan.lead_id)
        if website is None:
            await self._fail(scan, None, NO_WEBSITE)
            return None
        try:
            tags = await collect_tags(self._fetcher, website)
        except FetchRefused as refused:
            await self._fail(scan, website, str(refused))
            return None
        except FetchFailed as failed:
            await self._repeat_later(scan, website, str(failed))
            return None
        at = self._clock.now()
        async with self._database() as db:
            ours = await scans.keep_found(db, scan, website, tags, at)
        return scan._replace(website=website, tags=tags, observed_at=at) if ours else None

    async def _website(self, lead_id: str) -> str | None:
        async with snapshot(self._engine) as conn:
            db = await driver(conn)
            standing = await store.standing(db, lead_id)
            if standing is None or standing.erased:
                return None
            (row,) = await store.read_leads(db, [standing.lead_id])
        said = lead_answer(row, self._registry).fields.get("website")
        return said.value if said is not None and isinstance(said.value, str) else None

    async def _fail(self, scan: Scan, website: str | None, reason: str) -> None:
        async with self._database() as db:
            await scans.finish(db, scan, website, reason)
        self._count.labels("failed").inc()

    async def _repeat_later(self, scan: Scan, website: str, reason: str) -> None:
        if scan.attempts >= scans.ATTEMPTS_MAX:
            await self._fail(scan, website, reason)
            return
        async with self._database() as db:
            await scans.postpone(db, scan, website, reason, RETRY_S[scan.attempts - 1])
        self._count.labels("postponed").inc()

    async def _idle_s(self) -> float:
        async with self._database() as db:
            seconds = await scans.seconds_to_next(db)
        return SAFETY_POLL_S if seconds is None else min(max(seconds, 0.1), SAFETY_POLL_S)

    @asynccontextmanager
    async def _database(self) -> AsyncIterator[Connection]:
        async with transaction(self._engine) as conn:
            yield await driver(conn)


async def _when(stop: asyncio.Event, then: Callable[[], None]) -> None:
    await stop.wait()
    then()
